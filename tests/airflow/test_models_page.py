"""The page Models, asked as a browser asks it: what it shows, to whom, and what it lets them decide."""

from __future__ import annotations

import datetime as dt
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ml_pipeline.report.markup import VOID
from tests.conftest import AS_OF, Parcels

DAY = dt.timedelta(days=1)
Ask = Callable[..., TestClient]


@pytest.fixture
def ask(champion: Parcels, airflow_database: None, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """A browser in which a user of a role is logged in, over a store in which parcels is trained."""
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from ml_pipeline_airflow.models_page.address import PREFIX
    from ml_pipeline_airflow.models_page.app import app

    monkeypatch.setenv("ML_PIPELINE_STORE", champion.store)
    monkeypatch.setenv(
        "AIRFLOW__API_AUTH__JWT_SECRET", "a secret of 64 bytes at least, as the algorithm wants it to be safe"
    )
    manager = create_auth_manager()
    manager.init()
    outer = FastAPI()
    outer.mount(PREFIX, app())

    def of(role: str) -> TestClient:
        token = manager.generate_jwt(SimpleAuthManagerUser(username=f"the {role}", role=role))
        return TestClient(outer, cookies={"_token": token}, raise_server_exceptions=True)

    return of


def test_a_use_case_is_shown_at_a_glance(ask: Ask, champion: Parcels) -> None:
    page = ask("viewer").get("/ml-pipeline/")
    assert page.status_code == 200
    assert "Will this parcel arrive late?" in page.text
    assert f'<a href="/ml-pipeline/parcels/models/{champion.registry.champion()}">' in page.text
    assert "not monitored yet" in page.text


def test_one_use_case_shows_its_models_with_verdicts_and_its_promotions(ask: Ask, champion: Parcels) -> None:
    champion.run("offline", as_of=champion.next_night)
    page = ask("viewer").get("/ml-pipeline/parcels").text
    new, old = (entry.to for entry in reversed(champion.registry.promotions()))
    assert _cells(page, new)[0] == "champion"
    assert _cells(page, new)[-1] == "✓ passed"
    assert _cells(page, old)[0] == ""
    assert ["2", new, old, "gate"] == [
        own for own in _cells(page, "2", with_heading=True) if own in ("2", new, old, "gate")
    ]


def test_a_model_shows_card_metrics_coefficients_and_lineage(ask: Ask, champion: Parcels) -> None:
    version = champion.registry.champion()
    page = ask("viewer").get(f"/ml-pipeline/parcels/models/{version[:6]}").text
    assert "It may become champion. The evidence:" in page
    assert _cells(page, "speed")[1].startswith("−")
    assert champion.registry.model(version).system_version[:12] in page
    assert "3 snapshots" in page


def test_its_report_is_shown_as_it_was_written_and_may_run_nothing(ask: Ask, champion: Parcels) -> None:
    version = champion.registry.champion()
    answer = ask("viewer").get(f"/ml-pipeline/parcels/models/{version}/report")
    assert answer.content == champion.room.get(f"models/{version}/report.html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "form-action 'none'" in policy


def test_two_models_are_compared(ask: Ask, champion: Parcels) -> None:
    champion.run("offline", as_of=champion.next_night)
    page = ask("viewer").get("/ml-pipeline/parcels/compare", params={"old": "candidate", "new": "champion"}).text
    assert "parcels<small>as of 2024-02-05 23:00 UTC" in page
    assert "standard errors" in page


@pytest.mark.parametrize("level", ["services", "handlers", "models"])
def test_graphs_are_pictures_and_tables(ask: Ask, level: str) -> None:
    page = ask("viewer").get(f"/ml-pipeline/parcels/graphs/{level}").text
    assert 'src="data:image/svg+xml;base64,' in page
    assert len(_rows(page)) > 5


def test_monitoring_is_shown_over_time(ask: Ask, champion: Parcels, monitored: Callable[[dt.datetime], None]) -> None:
    for day in range(3):
        champion.run("online", as_of=AS_OF + day * DAY)
    monitored(AS_OF + dt.timedelta(hours=1))
    early = ask("viewer").get("/ml-pipeline/parcels").text
    assert "No truth has come yet" in early
    assert _cells(early, "2024-02-05 00:00 UTC")[0] == "… not enough data"
    monitored(AS_OF + 4 * DAY)
    page = ask("viewer").get("/ml-pipeline/parcels").text
    assert "predictions have come true or not" in page
    assert _pictures(page)["Area under the ROC curve by day"].count('class="mark candidate"') == 3
    assert "Predictions by day" in _pictures(page)
    assert "Columns that moved farthest" not in _pictures(page)
    assert "Nothing is stored of how far columns have drifted." in page
    assert _cells(page, "combined")[0] == "47"
    assert "Health: " in page
    assert "What was predicted" in ask("viewer").get("/ml-pipeline/parcels/monitoring/20240208T230000Z").text


@pytest.fixture
def monitored(champion: Parcels, airflow_database: None) -> Iterator[Callable[[dt.datetime], None]]:
    """Monitor as of a moment, in a run of Airflow's."""
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from ml_pipeline_airflow.request import run_name
    from sqlalchemy import delete

    ended = DagRunState.SUCCESS

    def run(as_of: dt.datetime) -> None:
        run_id = f"manual__{as_of:%Y%m%d%H}"
        settings = {"monitoring": {"least": 20}}
        champion.run("monitoring", as_of=as_of, run_id=run_name("monitoring", run_id), parameters=settings)
        with create_session() as session:
            session.add(
                DagRun(dag_id="parcels.monitoring", run_id=run_id, run_type="manual", run_after=as_of, state=ended)
            )

    yield run
    with create_session() as session:
        for kind in (XComModel, DagRun):
            session.execute(delete(kind).where(kind.dag_id == "parcels.monitoring"))


# Who may do what


def test_nobody_sees_anything_without_logging_in(ask: Ask) -> None:
    stranger = ask("viewer")
    stranger.cookies.clear()
    answer = stranger.get("/ml-pipeline/parcels", follow_redirects=False)
    assert answer.headers["location"] == "/api/v2/auth/login?next=%2Fml-pipeline%2Fparcels"
    answer = stranger.get("/ml-pipeline/parcels/compare?old=a&new=b", follow_redirects=False)
    assert answer.headers["location"].endswith("compare%3Fold%3Da%26new%3Db")
    assert stranger.post("/ml-pipeline/parcels/rollback", data={"token": "x"}).status_code == 401


def test_a_reason_makes_a_model_champion_in_the_name_of_who_is_logged_in(ask: Ask, champion: Parcels) -> None:
    champion.run("offline", as_of=champion.next_night)
    first, second = (entry.to for entry in champion.registry.promotions())
    answer = _send(ask("user"), f"/ml-pipeline/parcels/models/{first}", "Promote", "seen <b>twice</b>")
    assert answer.status_code == 200
    last = champion.registry.promotions()[-1]
    assert (last.to, last.previous, last.actor) == (first, second, "the user")
    assert (last.reason, last.kind) == ("seen <b>twice</b>", "promote")
    assert "seen &lt;b&gt;twice&lt;/b&gt;" in ask("viewer").get("/ml-pipeline/parcels").text


def test_rolling_back_goes_to_the_champion_before(ask: Ask, champion: Parcels) -> None:
    champion.run("offline", as_of=champion.next_night)
    first = champion.registry.promotions()[0].to
    assert _send(ask("admin"), "/ml-pipeline/parcels", "Roll back", "worse since").status_code == 200
    last = champion.registry.promotions()[-1]
    assert (last.to, last.kind, last.actor) == (first, "rollback", "the admin")


def test_a_decision_counts_for_the_champion_that_was_shown(ask: Ask, champion: Parcels) -> None:
    champion.run("offline", as_of=champion.next_night)
    first = champion.registry.promotions()[0].to
    admin = ask("admin")
    form = _forms(admin.get("/ml-pipeline/parcels").text)["Roll back"]
    promote = _forms(admin.get(f"/ml-pipeline/parcels/models/{first}").text)["Promote"]
    assert admin.post(form[0], data={**form[1], "reason": "worse since"}).status_code == 200
    before = champion.registry.promotions()
    for path, fields in (form, promote):
        again = admin.post(path, data={**fields, "reason": "worse since"})
        assert (again.status_code, "The champion has changed since you looked" in again.text) == (409, True)
    assert champion.registry.promotions() == before


def test_after_going_back_to_the_first_champion_there_is_none_to_go_back_to(ask: Ask, champion: Parcels) -> None:
    champion.run("offline", as_of=champion.next_night)
    _send(ask("admin"), "/ml-pipeline/parcels", "Roll back", "worse since")
    assert "Roll back" not in _forms(ask("admin").get("/ml-pipeline/parcels").text)


def test_a_promotion_of_which_airflow_could_not_be_told_says_so(
    ask: Ask, champion: Parcels, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml_pipeline_airflow.models_page import actions
    from sqlalchemy.exc import OperationalError

    def away(scoped: bool = True) -> Any:
        raise OperationalError("select", {}, Exception("database is locked"))

    champion.run("offline", as_of=champion.next_night)
    admin = ask("admin")
    path, fields = _forms(admin.get("/ml-pipeline/parcels").text)["Roll back"]
    monkeypatch.setattr(actions, "create_session", away)
    answer = admin.post(path, data={**fields, "reason": "worse since"})
    assert (answer.status_code, "database is locked" in answer.text) == (200, True)
    assert "The champion is changed" in answer.text
    assert len(champion.registry.promotions()) == 3


def test_without_a_reason_nothing_is_decided(ask: Ask, champion: Parcels) -> None:
    champion.run("offline", as_of=champion.next_night)
    before = champion.registry.promotions()
    answer = _send(ask("admin"), "/ml-pipeline/parcels", "Roll back", "  ")
    assert "A reason is missing" in answer.text
    assert answer.status_code == 422
    assert champion.registry.promotions() == before


def test_a_viewer_is_shown_no_form_and_refused_what_others_may_send(ask: Ask, champion: Parcels) -> None:
    champion.run("offline", as_of=champion.next_night)
    first, before = champion.registry.promotions()[0].to, champion.registry.promotions()
    viewer = ask("viewer")
    for path in ("/ml-pipeline/parcels", f"/ml-pipeline/parcels/models/{first}"):
        assert 'method="post"' not in viewer.get(path).text
    token = _forms(ask("admin").get("/ml-pipeline/parcels").text)["Roll back"][1]["token"]
    for decision in ("promote", "rollback", "retrain"):
        sent = {"token": token, "version": first, "reason": "because"}
        answer = viewer.post(f"/ml-pipeline/parcels/{decision}", data=sent)
        assert (answer.status_code, "You may not" in answer.text) == (403, True)
    assert champion.registry.promotions() == before


def test_a_form_that_this_page_did_not_show_to_this_user_is_refused(ask: Ask, champion: Parcels) -> None:
    champion.run("offline", as_of=champion.next_night)
    before, admin = champion.registry.promotions(), ask("admin")
    others = _forms(ask("user").get("/ml-pipeline/parcels").text)["Roll back"][1]["token"]
    for token in ("", "forged", others):
        answer = admin.post("/ml-pipeline/parcels/rollback", data={"token": token, "reason": "because"})
        assert answer.status_code in (403, 422)
    assert champion.registry.promotions() == before


def test_a_use_case_whose_dag_may_not_be_read_is_not_shown(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    def others_only(self: Any, *, details: Any = None, **more: Any) -> bool:
        return details is None or not details.id.startswith("parcels.")

    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", others_only)
    admin = ask("admin")
    assert "parcels" not in admin.get("/ml-pipeline/").text
    for path in ("", "/models/champion", "/models/champion/report", "/compare?old=a&new=b", "/graphs/models"):
        assert admin.get(f"/ml-pipeline/parcels{path}").status_code == 403


# What is not as it should be


def test_before_anything_was_trained_it_says_so(ask: Ask, champion: Parcels, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ML_PIPELINE_STORE", str(tmp_path / "empty"))
    page = ask("admin").get("/ml-pipeline/parcels")
    assert page.status_code == 200
    for told in (
        "No model is champion yet",
        "No model was trained yet",
        "Nothing was promoted yet",
        "Nothing was monitored",
    ):
        assert told in page.text
    assert "Roll back" not in page.text


def test_a_broken_use_case_says_why_and_hides_no_other(ask: Ask, champion: Parcels) -> None:
    champion.replace("pipeline.yaml", "horizon: 1h", "horizon: soon")
    glance = ask("viewer").get("/ml-pipeline/").text
    assert "horizon" in glance
    assert "Will this flight" in glance
    page = ask("viewer").get("/ml-pipeline/parcels")
    assert (page.status_code, champion.registry.champion() in page.text) == (200, True)


def test_a_store_that_is_away_is_a_sentence(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ML_PIPELINE_STORE", str(tmp_path / "file/store"))
    glance = ask("viewer").get("/ml-pipeline/")
    assert glance.status_code == 200
    assert "The folder cannot be used as a store" in glance.text
    page = ask("viewer").get("/ml-pipeline/parcels")
    assert "The folder cannot be used as a store" in page.text
    monkeypatch.delenv("ML_PIPELINE_STORE")
    assert "Airflow was started without an object store" in ask("viewer").get("/ml-pipeline/").text


def test_a_report_that_cannot_be_read_is_a_sentence(ask: Ask, champion: Parcels) -> None:
    path = f"/ml-pipeline/parcels/models/{champion.registry.champion()}"
    champion.room.put(f"models/{champion.registry.champion()}/report.html", b"\xff\xfe\x00")
    assert "The stored page cannot be read" in ask("viewer").get(f"{path}/report").text
    champion.room.delete(f"models/{champion.registry.champion()}/report.html")
    assert "has no report" in ask("viewer").get(f"{path}/report").text


def test_what_monitoring_left_damaged_is_a_sentence(
    ask: Ask, champion: Parcels, monitored: Callable[[dt.datetime], None]
) -> None:
    champion.run("online", as_of=AS_OF)
    monitored(AS_OF + 4 * DAY)
    (key,) = [key for key in champion.objects("runs/") if key.endswith("monitor/result.json")]
    champion.room.put(key, b"{}")
    page = ask("viewer").get("/ml-pipeline/parcels")
    assert page.status_code == 200
    assert "What a run of monitoring left cannot be read" in page.text
    assert champion.registry.champion() in page.text


def test_a_damaged_promotion_log_is_a_sentence(ask: Ask, champion: Parcels) -> None:
    champion.room.put("promotions/000001.yaml", b"number: 1\n")
    page = ask("admin").get("/ml-pipeline/parcels")
    assert page.status_code == 200
    assert "promotions/000001.yaml" in page.text
    assert "Retrain" in _forms(page.text)
    (version,) = champion.room.folders("models/")
    page = ask("admin").get(f"/ml-pipeline/parcels/models/{version}")
    assert (page.status_code, "promotions/000001.yaml" in page.text, "3 snapshots" in page.text) == (200, True, True)


def test_the_present_is_the_run_that_was_due_last_and_has_ended(
    ask: Ask, champion: Parcels, monitored: Callable[[dt.datetime], None]
) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    for day in range(3):
        champion.run("online", as_of=AS_OF + day * DAY)
    monitored(AS_OF + 4 * DAY)
    monitored(AS_OF + 2 * DAY)
    with create_session() as session:
        due = AS_OF + 5 * DAY
        session.add(
            DagRun(dag_id="parcels.monitoring", run_id="now", run_type="manual", run_after=due, state="running")
        )
    glance = ask("viewer").get("/ml-pipeline/").text
    assert "as of 2024-02-08, " in re.sub("<[^>]+>", "", glance)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("parcels.monitoring/runs/nowhere", "There is no such run"),
        ("others.etl/runs/manual__1", "The DAG is of no use case"),
        ("nowhere.monitoring/runs/a", "There is no such"),
    ],
)
def test_a_run_that_made_no_model_says_so(ask: Ask, path: str, told: str) -> None:
    answer = ask("viewer").get(f"/ml-pipeline/{path}")
    assert answer.status_code == 404
    assert told in answer.text


def test_a_run_of_monitoring_leads_to_what_it_found(
    ask: Ask, champion: Parcels, monitored: Callable[[dt.datetime], None]
) -> None:
    champion.run("online", as_of=AS_OF)
    monitored(AS_OF + 4 * DAY)
    page = ask("viewer").get("/ml-pipeline/parcels").text
    run = re.search('href="(/ml-pipeline/parcels.monitoring/runs/[^"]*)"', page)
    assert run
    assert "What a run made" in ask("viewer").get(run[1]).text


def test_a_run_that_a_person_approved_shows_what_its_stages_did(
    ask: Ask, champion: Parcels, monitored: Callable[[dt.datetime], None]
) -> None:
    from airflow import settings
    from airflow.models.xcom import XComModel

    champion.run("online", as_of=AS_OF)
    monitored(AS_OF + 4 * DAY)
    step = {"rows_in": 1, "rows_out": 2, "status": "done", "seconds": 0.1}
    summary = {"as_of": AS_OF.isoformat(), "model_version": "", "steps": {"monitor": step}}
    with sqlite3.connect(str(settings.engine.url.database)) as database:  # which asks for no task that returned it
        for task, told in {"monitor": summary, "approve": {"approved_by": "Ada", "reason": "seen"}}.items():
            database.execute(
                'insert into xcom (dag_run_id, task_id, dag_id, run_id, value, "key", map_index, dag_result, '
                "timestamp) select id, ?, dag_id, run_id, ?, 'return_value', -1, 0, run_after "
                "from dag_run where run_id = ?",
                (task, json.dumps(XComModel.serialize_value(told)), "manual__2024020823"),
            )
    page = ask("viewer").get("/ml-pipeline/parcels.monitoring/runs/manual__2024020823")
    assert page.status_code == 200
    assert _cells(page.text, "monitor")[2:5] == ["done", "1", "2"]
    assert "Ada" not in page.text


def test_parameters_that_were_tampered_with_spoil_one_section(ask: Ask, champion: Parcels) -> None:
    champion.room.put(f"models/{champion.registry.champion()}/parameters.yaml", b"model: other\n")
    page = ask("viewer").get("/ml-pipeline/parcels/models/champion")
    assert page.status_code == 200
    assert "A stored object is not what was written" in page.text
    assert "3 snapshots" in page.text


@pytest.mark.parametrize(
    "path", ["nowhere", "parcels/models/zzzz", "parcels/graphs/zzzz", "parcels/monitoring/zzzz", "..%2fparcels"]
)
def test_what_is_not_there_is_a_page_that_says_so(ask: Ask, path: str) -> None:
    answer = ask("viewer").get(f"/ml-pipeline/{path}")
    assert answer.status_code == 404
    assert "This cannot be shown" in answer.text


# How it is written


def test_pages_are_well_formed_and_take_nothing_from_elsewhere(ask: Ask, champion: Parcels) -> None:
    champion.run("offline", as_of=champion.next_night)
    for path in (
        "",
        "parcels",
        "parcels/models/candidate",
        "parcels/compare?old=candidate&new=champion",
        "parcels/graphs/models",
    ):
        answer = ask("admin").get(f"/ml-pipeline/{path}")
        found = Page.of(answer.text)
        assert found.problems == []
        assert {urls for urls in found.urls if re.match(r"(https?:)?//", urls)} == set()
        assert not {"script", "iframe", "object"} & found.tags
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "frame-ancestors 'self'" in policy


class Page(HTMLParser):
    """What is wrong with a page, and what it names."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.problems: list[str] = []
        self.urls: set[str] = set()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self.fields: set[str] = set()

    @classmethod
    def of(cls, text: str) -> Page:
        """A page that was read to its end."""
        page = cls()
        page.feed(text)
        page.close()
        page.problems += [f"open at the end: {name}" for name in page.open]
        page.problems += [f"twice: {name}" for name in set(page.ids) if page.ids.count(name) > 1]
        page.problems += [f"no label: {name}" for name in page.fields - page.labels]
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = {key: value or "" for key, value in attrs}
        self.tags.add(tag)
        self.urls |= {own[key] for key in ("href", "src", "action") if key in own}
        self.ids += [own["id"]] if "id" in own else []
        self.labels |= {own["for"]} if tag == "label" else set()
        self.fields |= {own.get("id", "?")} if tag in ("input", "textarea") and own.get("type") != "hidden" else set()
        if tag == "table":
            self.tables = getattr(self, "tables", 0) + 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"{tag} ends out of turn")


def _pictures(page: str) -> dict[str, str]:
    """Title -> plot."""
    plots = re.findall('<svg class="plot".*?</svg>', page, re.S)
    return {re.findall("<title[^>]*>([^<]*)", plot)[0]: plot for plot in plots}


def _forms(page: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Button -> address and hidden fields of its form."""
    found = {}
    for action, inside in re.findall(r'<form method="post" action="([^"]*)">(.*?)</form>', page, re.S):
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', inside))
        (button,) = re.findall(r"<button[^>]*>([^<]*)</button>", inside)
        found[button] = (action, hidden)
    return found


def _send(browser: TestClient, path: str, button: str, reason: str) -> Any:
    """Fill in a form of a page, and press its button."""
    action, hidden = _forms(browser.get(path).text)[button]
    return browser.post(action, data={**hidden, "reason": reason})


def _rows(page: str) -> list[list[str]]:
    """Text of the cells of all tables' bodies."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.S)
    cells = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in rows if "<td" in row)
    return [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in cells]


def _cells(page: str, heading: str, with_heading: bool = False) -> list[str]:
    """The first row with this heading."""
    found = next(row for row in _rows(page) if row[0] == heading)
    return found if with_heading else found[1:]
