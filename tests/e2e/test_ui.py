"""`make ui` in a real browser: sign in, fill in the form, trigger, see the run turn green under the real scheduler."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ml_pipeline.artifacts import embedded
from tests.airflow_site import PATIENCE, SWITCHES, airflow_at_work, password, settings, wait

DAG = "flights.offline_training"
pytestmark = [pytest.mark.airflow, pytest.mark.browser, pytest.mark.store]


class Site(NamedTuple):
    """Airflow at work: its address, and the folder with all that it writes."""

    url: str
    folder: Path

    def run_state(self) -> str:
        """Of the last run that a person triggered."""
        query = "select state from dag_run where dag_id = ? and run_type = 'manual' order by id desc"
        with sqlite3.connect(self.folder / "airflow/airflow.db", timeout=30) as database:
            row = database.execute(query, (DAG,)).fetchone()
        return str(row[0]) if row else "none"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("ui")
    endpoint = embedded.start(folder / "store")
    # The run that is triggered, not the one that is due.
    own = {"ML_PIPELINE_STORE": endpoint.uri, "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False"}
    try:
        with airflow_at_work(folder, settings(folder, **endpoint.environment, **own)) as url:
            yield Site(url, folder)
    finally:
        embedded.stop(folder / "store")


def test_a_run_is_triggered_from_the_form_and_turns_green(site: Site, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium")
    assert browser_path, "a browser is needed: install Debian's chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=SWITCHES)
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(site.url)
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", password(site.folder))
        page.keyboard.press("Enter")
        page.wait_for_url(f"{site.url}/", wait_until="commit")
        page.goto(f"{site.url}/dags/{DAG}")
        page.get_by_role("button", name="Trigger").first.click()
        page.fill("#element_as_of", "2013-04-15")
        page.screenshot(path=tmp_path / "form.png")
        page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
        wait(lambda: site.run_state() in ("success", "failed"), PATIENCE, site.run_state)
        page.get_by_text("Success", exact=True).first.wait_for()
        page.screenshot(path=tmp_path / "run.png")
        browser.close()
    assert site.run_state() == "success"
