"""`make ui` in a real browser: sign in, fill in the form, trigger, see the run turn green under the real scheduler."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ml_pipeline.artifacts import embedded

ROOT = Path(__file__).parents[2]
DAG = "flights.offline_training"
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
pytestmark = [pytest.mark.airflow, pytest.mark.browser, pytest.mark.store]


class Site(NamedTuple):
    """Airflow at work: its address and its home."""

    url: str
    home: Path

    def password(self) -> str:
        """Of the user admin."""
        file = self.home / "simple_auth_manager_passwords.json.generated"
        found: str = json.loads(file.read_text())["admin"]
        return found

    def run_state(self) -> str:
        """Of the last run that a person triggered."""
        query = "select state from dag_run where dag_id = ? and run_type = 'manual' order by id desc"
        with sqlite3.connect(self.home / "airflow.db", timeout=30) as database:
            row = database.execute(query, (DAG,)).fetchone()
        return str(row[0]) if row else "none"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("ui")
    endpoint = embedded.start(folder / "store")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    environment |= endpoint.environment | {
        "ML_PIPELINE_STORE": endpoint.uri,
        "ML_PIPELINE_RUNNER": "process",
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # the run that is triggered, not the one that is due
        "PYTHONPATH": str(ROOT / "plugins"),
    }
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "ml_pipeline_airflow.ui"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        site = Site(f"http://127.0.0.1:{port}", folder / "airflow")
        _wait(lambda: _answers(site), 120, (folder / "log").read_text)
        yield site
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        embedded.stop(folder / "store")


def _answers(site: Site) -> bool:
    try:
        with urllib.request.urlopen(f"{site.url}/api/v2/monitor/health", timeout=5) as answer:
            health = json.load(answer)
    except OSError:
        return False
    return health["scheduler"]["status"] == "healthy" and health["dag_processor"]["status"] == "healthy"


def _wait(condition: object, seconds: float, why: object) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, why()[-2000:]  # type: ignore[operator]
        time.sleep(1)


def test_a_run_is_triggered_from_the_form_and_turns_green(site: Site, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium")
    assert browser_path, "a browser is needed: install Debian's chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=SWITCHES)
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.goto(site.url)
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", site.password())
        page.keyboard.press("Enter")
        page.wait_for_url(f"{site.url}/", wait_until="commit")
        page.goto(f"{site.url}/dags/{DAG}")
        page.get_by_role("button", name="Trigger").first.click()
        page.fill("#element_as_of", "2013-04-15")
        page.screenshot(path=tmp_path / "form.png")
        page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
        _wait(lambda: site.run_state() in ("success", "failed"), 300, site.run_state)
        page.get_by_text("Success", exact=True).first.wait_for()
        page.screenshot(path=tmp_path / "run.png")
        browser.close()
    assert site.run_state() == "success"
