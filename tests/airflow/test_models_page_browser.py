"""The page Models in a real browser, in Airflow's own UI, with its own login and roles."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import pytest

from tests.airflow.models_site import ModelsSite, models_site
from tests.airflow_site import PATIENCE, SWITCHES
from tests.conftest import Parcels, installed

CONTRAST = """() => {
    const part = channel => (channel /= 255) <= 0.03928 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
    const light = color => color.match(/[\\d.]+/g).slice(0, 3).map(Number).map(part)
        .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = node => {
        for (; node; node = node.parentElement) {
            const color = getComputedStyle(node).backgroundColor;
            if (!/, 0\\)$/.test(color)) return color;
        }
        return "rgb(255, 255, 255)";
    };
    return [...document.querySelectorAll("body *")].filter(node => !node.closest("svg") &&
        [...node.childNodes].some(own => own.nodeType === 3 && own.data.trim())).filter(node => {
            const [low, high] = [light(getComputedStyle(node).color), light(behind(node))].sort((a, b) => a - b);
            return (high + 0.05) / (low + 0.05) < 4.5;
        }).map(node => node.outerHTML.slice(0, 80));
}"""
"""Elements whose text is hard to read; 4.5 is what WCAG 2.2 asks for."""
TRAINED = """
import json
from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
with create_session() as session:
    (run,) = [own for own in session.query(DagRun) if (own.conf or {}).get("as_of") == "AS_OF"]
    told = session.query(XComModel).filter(XComModel.run_id == run.run_id, XComModel.key == "return_value")
    made = {own.task_id: own.value["model_version"] for own in told}
    print(json.dumps([run.run_id, {own.task_id: own.state for own in run.get_task_instances()}, made["train"]]))
"""
"""Prints a run, the states of its tasks, and the model that it made."""
Scheme = Literal["light", "dark"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def stored(template: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Parcels:
    """A store with two models, of which the newer one is champion."""
    folder = tmp_path_factory.mktemp("models")
    site, store = shutil.copytree(template, folder / "site"), shutil.copytree(trained, folder / "store")
    with installed(site):
        own = Parcels(site, str(store))
        own.run("offline", as_of=own.next_night)
    return own


@pytest.fixture(scope="module")
def site(stored: Parcels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelsSite]:
    with models_site(tmp_path_factory.mktemp("site"), stored.site, stored.store) as site:
        yield site


@contextmanager
def browser(site: ModelsSite, user: str, scheme: Scheme = "light") -> Iterator[Any]:
    """A page in which somebody has logged in at Airflow's own form."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    assert path, "a browser is needed: install Debian's chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        page = running.new_page(viewport={"width": 1400, "height": 900}, color_scheme=scheme)
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(f"{site.url}/ml-pipeline/parcels")
        page.fill("input[name=username]", user)
        page.fill("input[name=password]", site.passwords[user])
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Will this parcel arrive late?").wait_for()
        yield page
        running.close()


def test_who_may_decides_in_airflows_own_ui_and_the_log_says_so(
    site: ModelsSite, stored: Parcels, tmp_path: Path
) -> None:
    first, second = (entry.to for entry in stored.registry.promotions())
    with browser(site, "admin") as page:
        page.goto(site.url)
        page.get_by_role("link", name="Models").click()
        frame = page.frame_locator("iframe[title=Models]")
        frame.get_by_role("link", name="parcels", exact=True).click()
        frame.get_by_role("row").get_by_role("rowheader", name=first).get_by_role("link").click()
        frame.get_by_role("button", name="Promote").click()
        assert page.url.endswith(f"/plugin/models/ml-pipeline/parcels/models/{first}"), (
            "without a reason nothing is sent"
        )
        frame.get_by_label("Reason").first.fill("seen in the browser")
        frame.get_by_role("button", name="Promote").click()
        frame.get_by_role("heading", name="The champion is changed").wait_for()
        page.screenshot(path=tmp_path / "promoted.png")
        frame.get_by_role("link", name="Back to parcels").click()
        frame.get_by_text("seen in the browser").wait_for()
        page.screenshot(path=tmp_path / "log.png", full_page=True)
    last = stored.registry.promotions()[-1]
    assert (last.to, last.previous, last.actor, last.reason) == (first, second, "admin", "seen in the browser")
    code = """
from airflow.models.asset import AssetEvent
from airflow.models.log import Log
from airflow.utils.session import create_session
with create_session() as session:
    print([(own.name, own.extra["model_version"]) for own in session.query(AssetEvent)])
    print([own.owner for own in session.query(Log).filter(Log.event == "ml_pipeline.promote")])
"""
    told = site.python(code)
    assert f"('parcels.champion', '{first}')" in told
    assert "['admin']" in told


def test_who_may_not_sees_no_button_and_is_refused(site: ModelsSite, stored: Parcels) -> None:
    before = stored.registry.promotions()
    with browser(site, "visitor") as page:
        assert page.get_by_role("button", name=re.compile("Promote|Roll back|Retrain")).count() == 0
        for decision in ("promote", "rollback", "retrain"):
            form = {"version": before[0].to, "reason": "because", "token": "forged"}
            assert page.request.post(f"{site.url}/ml-pipeline/parcels/{decision}", form=form).status == 403
    assert stored.registry.promotions() == before


def test_retraining_is_a_run_of_the_training_dag_in_the_name_of_who_asked(site: ModelsSite) -> None:
    with browser(site, "admin") as page:
        form = page.locator("form", has=page.get_by_role("button", name="Retrain"))
        form.get_by_label("Reason").fill("new prices")
        form.get_by_role("button").click()
        page.get_by_text("is queued. It waits until somebody unpauses the DAG.").wait_for()
        page.get_by_role("link", name="Back to parcels").click()
        page.locator("#runs").wait_for()
        assert "offline_training" in page.get_by_role("region", name=re.compile("runs of its DAGs")).inner_text()
        runs = page.request.get(f"{site.url}/api/v2/dags/parcels.offline_training/dagRuns").json()["dag_runs"]
    assert [(run["triggering_user_name"], run["note"], run["state"]) for run in runs] == [
        ("admin", "new prices", "queued")
    ]


class Trained(NamedTuple):
    """A run of the training DAG: its name, and the model that its task said it made."""

    run: str
    version: str


@pytest.fixture(scope="module")
def trained_run(site: ModelsSite) -> Trained:
    """A run in which every task ended well.

    Airflow's processes may give the model another version than this process does, whose path has more packages on it
    where other tests have put them there: so the run itself is asked.
    """
    as_of = "2024-02-05T00:00:00+01:00"
    site.airflow("dags", "test", "parcels.offline_training", "--conf", json.dumps({"as_of": as_of}))
    run, states, version = json.loads(site.python(TRAINED.replace("AS_OF", as_of)).splitlines()[-1])
    assert set(states.values()) == {"success"}
    return Trained(run, version)


def test_a_task_leads_to_the_model_that_it_made_and_others_nowhere(site: ModelsSite, trained_run: Trained) -> None:
    dag = f"{site.url}/api/v2/dags/parcels.offline_training"
    with browser(site, "visitor") as page:
        tasks = f"{dag}/dagRuns/{quote(trained_run.run)}/taskInstances"
        links = {name: page.request.get(f"{tasks}/{name}/links").json()["extra_links"] for name in ("train", "combine")}
        model = f"/ml-pipeline/parcels/models/{trained_run.version}"
        assert links == {"train": {"Model": f"/plugin/models{model}"}, "combine": {"Model": None}}
        with page.expect_response(f"{site.url}{model}") as answer:
            page.goto(f"{site.url}{links['train']['Model']}")
        assert answer.value.status == 200
        heading = page.frame_locator("iframe[title=Models]").get_by_role("heading", level=1)
        assert heading.inner_text() == f"Model {trained_run.version}"


def test_a_run_leads_to_the_model_that_it_made(site: ModelsSite, trained_run: Trained) -> None:
    with browser(site, "visitor") as page:
        page.goto(f"{site.url}/dags/parcels.offline_training/runs/{quote(trained_run.run)}")
        page.get_by_role("link", name="Model", exact=True).click()
        frame = page.frame_locator("iframe[title=Model]")
        assert frame.get_by_role("heading", level=1).inner_text() == "What a run made"
        models = frame.get_by_role("region", name="Models that it made or worked with")
        models.get_by_role("link", name=trained_run.version).click()
        frame.get_by_role("heading", name=f"Model {trained_run.version}").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read_and_reached_by_keyboard(
    site: ModelsSite, stored: Parcels, trained_run: Trained, scheme: Scheme, tmp_path: Path
) -> None:
    before = stored.registry.champion()
    pages = (
        "",
        "parcels",
        "parcels/models/candidate",
        "parcels/compare?old=candidate&new=champion",
        *(f"parcels/graphs/{level}" for level in ("services", "handlers", "models")),
        f"parcels.offline_training/runs/{quote(trained_run.run)}",
    )
    decisions = {"Roll back": "parcels", "Promote": f"parcels/models/{before}", "Retrain": "parcels"}
    with browser(site, "admin", scheme) as page:
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("requestfailed", lambda request: problems.append(request.url))
        for at, path in enumerate(pages):
            page.goto(f"{site.url}/ml-pipeline/{path}")
            _check_readable(page, tmp_path / f"{at}.png")
        for decision, path in decisions.items():
            page.goto(f"{site.url}/ml-pipeline/{path}")
            form = page.locator("form", has=page.get_by_role("button", name=decision))
            form.get_by_label("Reason").fill(f"seen in {scheme}")
            form.get_by_role("button").click()
            page.get_by_role("link", name="Back to parcels").wait_for()
            _check_readable(page, tmp_path / f"{decision}.png")
        assert problems == []
        page.goto(f"{site.url}/ml-pipeline/parcels/models/nobody")
        _check_readable(page, tmp_path / "unknown.png")
    assert stored.registry.champion() == before


def _check_readable(page: Any, picture: Path) -> None:
    """Contrast, width, what tables are called, and where the keyboard is; a picture is left for people."""
    page.screenshot(path=picture, full_page=True)
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tables = page.locator("table")
    assert page.locator("table > caption").count() == page.locator("table > thead").count() == tables.count()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
