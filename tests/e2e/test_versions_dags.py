"""A promotion under a real scheduler: asked for, allowed or refused by a person, told to the online DAG; backfills."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytestmark = [pytest.mark.airflow]
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
OFFLINE, ONLINE = "shop.offline_training", "shop.online_scoring"
NOW = dt.datetime.now(dt.UTC)
LAST_LABEL = dt.date(2024, 6, 16)
"""The day that the scaffold's records end at; later ones are still to be scored."""

PROMOTED_BY_HAND = f"""\
schedule: {{offline: "0 {(NOW + dt.timedelta(hours=12)).hour} * * *", online: promotion}}
promotion: {{policy: manual}}
services:
  offline: {{data: [ingest, prepare, combine, split]}}
  online: {{score: [ingest, prepare, combine, serve, postprocess]}}
"""
"""The cron ticked half a day ago, which gives the first run, and not again while the tests last."""


class Site(NamedTuple):
    """Airflow at work, and the store that its stages share."""

    url: str
    folder: Path
    environment: dict[str, str]
    token: str = ""

    def ask(self, path: str, body: Any = None, method: str = "") -> Any:
        """Airflow's REST API, as the user admin."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        order = urllib.request.Request(self.url + path, data, headers, method=method or ("POST" if data else "GET"))
        with urllib.request.urlopen(order, timeout=30) as answer:
            return json.load(answer)

    def signed_in(self) -> Site:
        """The same with a token."""
        passwords = json.loads((self.folder / "airflow/simple_auth_manager_passwords.json.generated").read_text())
        answer = self.ask("/auth/token", {"username": "admin", "password": passwords["admin"]})
        return self._replace(token=answer["access_token"])

    def trigger(self) -> str:
        """A run of offline training as of now; its id."""
        run: str = self.ask(f"/api/v2/dags/{OFFLINE}/dagRuns", {"logical_date": None})["dag_run_id"]
        return run

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """All runs of a DAG."""
        found: list[dict[str, Any]] = self.ask(f"/api/v2/dags/{dag}/dagRuns")["dag_runs"]
        return found

    def states(self, run: str, dag: str = OFFLINE) -> dict[str, str]:
        """Task -> state."""
        found = self.ask(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def question(self, run: str) -> str:
        """Where the approval of a run is asked for and given."""
        return f"/api/v2/dags/{OFFLINE}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"

    def answer(self, run: str, option: str, reason: str) -> None:
        """Decide, as a person does in the UI.

        Whoever answers before the scheduler has taken note of the pause (seconds) makes Airflow 3.3 ask again.
        """
        _wait(lambda: self.states(run).get("approve") == "awaiting_input", 120, lambda: str(self.states(run)))
        time.sleep(3)
        self.ask(self.question(run), {"chosen_options": [option], "params_input": {"reason": reason}}, "PATCH")

    def finished(self, run: str, dag: str = OFFLINE) -> dict[str, str]:
        """The states of all tasks of a run once it has succeeded."""

        def over() -> bool:
            state = self.ask(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"]
            assert state != "failed", self.states(run, dag)
            return bool(state == "success")

        _wait(over, 120, lambda: str(self.states(run, dag)))
        return self.states(run, dag)

    def events(self) -> list[dict[str, Any]]:
        """Events of the asset; Airflow 3.3 cannot tell of one while the run that it started has not begun."""
        found: list[dict[str, Any]] = self.ask("/api/v2/assets/events?order_by=timestamp")["asset_events"]
        return [event for event in found if event["uri"] == "ml-pipeline://shop/champion"]

    def stored(self, pattern: str) -> list[Path]:
        """Files of the use case's store."""
        return sorted((self.folder / "store/shop").glob(pattern))

    def backfill(self, first: dt.date, last: dt.date, *options: str) -> list[str]:
        """Order one, of offline training, by Airflow's command; its runs."""
        known = f"/api/v2/backfills?dag_id={OFFLINE}"
        _wait(lambda: all(one["completed_at"] for one in self.ask(known)["backfills"]), 120, lambda: "another one runs")
        days = ("--from-date", f"{first}T00:00:00+00:00", "--to-date", f"{last}T23:59:59+00:00")
        command = [BIN / "airflow", "backfill", "create", "--dag-id", OFFLINE, *days, *options]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)
        return [run["dag_run_id"] for run in self.runs(OFFLINE) if run["run_type"] == "backfill"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    _shop(folder / "use_cases")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    environment |= {
        "ML_PIPELINE_STORE": str(folder / "store"),
        "ML_PIPELINE_USE_CASES": str(folder / "use_cases"),
        "ML_PIPELINE_RUNNER": "process",
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow/airflow.db",
        "PYTHONPATH": str(ROOT / "plugins"),
    }
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "ml_pipeline_airflow.ui"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        site = Site(f"http://127.0.0.1:{port}", folder, environment)
        _wait(lambda: _answers(site), 120, (folder / "log").read_text)
        site = site.signed_in()
        for dag in (OFFLINE, ONLINE):
            _wait(lambda dag=dag: _unpauses(site, dag), 60, (folder / "log").read_text)
        yield site
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _shop(parent: Path) -> None:
    """The scaffold's use case with its records moved to this week, and a person who decides."""
    parent.mkdir()
    subprocess.run([BIN / "ml-pipeline", "new", "shop", "--folder", parent], check=True, capture_output=True)
    pipeline, visits = parent / "shop/pipeline.yaml", parent / "shop/data/visits.csv"
    pipeline.write_text(re.sub(r"^schedule: .*\n", PROMOTED_BY_HAND, pipeline.read_text(), flags=re.MULTILINE))
    header, *rows = csv.reader(visits.read_text().splitlines())
    column, days = header.index("came_at"), NOW.date() - LAST_LABEL
    for row in rows:
        row[column] = (dt.datetime.fromisoformat(row[column]) + days).isoformat().replace("+00:00", "Z")
    with visits.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def _answers(site: Site) -> bool:
    try:
        health = site.ask("/api/v2/monitor/health")
    except OSError:
        return False
    return bool(health["scheduler"]["status"] == "healthy" and health["dag_processor"]["status"] == "healthy")


def _unpauses(site: Site, dag: str) -> bool:
    try:
        return not site.ask(f"/api/v2/dags/{dag}", {"is_paused": False}, "PATCH")["is_paused"]
    except OSError:
        return False


def _wait(condition: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, why()[-2000:]
        time.sleep(0.5)


def _day(back: int) -> dt.date:
    return NOW.date() - dt.timedelta(days=back)


def _statuses(site: Site, stage: str) -> list[str]:
    return [json.loads(path.read_text())["status"] for path in site.stored(f"runs/offline-*/{stage}/result.json")]


def test_a_rejected_model_is_not_promoted_and_nothing_follows(site: Site) -> None:
    _wait(lambda: bool(site.runs(OFFLINE)), 120, lambda: "no run was due")
    (run,) = (run["dag_run_id"] for run in site.runs(OFFLINE) if run["run_type"] == "scheduled")
    site.answer(run, "Reject", "not before the holidays")
    states = site.finished(run)
    assert (states["approve"], states["promote"]) == ("success", "skipped")
    assert (site.events(), site.runs(ONLINE), site.stored("promotions/*")) == ([], [], [])


def test_an_approved_model_is_promoted_and_starts_the_online_dag(site: Site) -> None:
    run = site.trigger()
    site.answer(run, "Approve", "better on mobiles")
    assert set(site.finished(run).values()) == {"success"}
    _wait(lambda: bool(site.runs(ONLINE)), 120, lambda: "no run followed")
    (scoring,) = site.runs(ONLINE)
    assert (scoring["run_type"], scoring["logical_date"]) == ("asset_triggered", None)
    assert set(site.finished(scoring["dag_run_id"], ONLINE).values()) == {"success"}
    (event,) = site.events()
    assert set(event["extra"]) == {"model_version", "previous", "metrics", "as_of", "run_id", "synthetic"}
    assert (event["extra"]["previous"], event["extra"]["synthetic"]) == ("", ["shop"])
    assert event["extra"]["as_of"] >= NOW.isoformat()
    assert 0.5 < event["extra"]["metrics"]["roc_auc"] < 1
    (result,) = (json.loads(path.read_text()) for path in site.stored("runs/online-*/serve/result.json"))
    assert result["model_version"] == event["extra"]["model_version"]
    (entry,) = (path.read_text() for path in site.stored("promotions/*"))
    assert "actor: admin\n" in entry
    assert "better on mobiles" in entry


def test_a_cleared_task_reuses_what_is_stored(site: Site) -> None:
    run, before = site.runs(OFFLINE)[0]["dag_run_id"], len(site.stored("models/*/model.yaml"))
    order = {"dag_run_id": run, "task_ids": ["train"], "only_failed": False, "dry_run": False}
    site.ask(f"/api/v2/dags/{OFFLINE}/clearTaskInstances", order)
    _wait(lambda: "reused" in _statuses(site, "train"), 120, lambda: str(site.states(run)))
    assert set(site.finished(run).values()) <= {"success", "skipped"}
    assert len(site.stored("models/*/model.yaml")) == before


def test_a_backfill_trains_a_model_a_day_and_promotes_none(site: Site) -> None:
    before = len(site.stored("models/*/model.yaml"))
    backfilled = site.backfill(_day(7), _day(3), "--max-active-runs", "3")
    assert len(backfilled) == 5
    for run in backfilled:
        states = site.finished(run)
        assert (states["train"], states["approve"], states["promote"]) == ("success", "skipped", "skipped")
    assert len(site.stored("models/*/model.yaml")) == before + 5
    assert (len(site.events()), len(site.stored("promotions/*"))) == (1, 1)


def test_a_backfill_of_the_same_days_reuses_their_models(site: Site) -> None:
    before, reused = len(site.stored("models/*/model.yaml")), _statuses(site, "train").count("reused")
    site.backfill(_day(3), _day(3), "--reprocess-behavior", "completed")
    _wait(lambda: _statuses(site, "train").count("reused") == reused + 1, 120, lambda: str(site.runs(OFFLINE)))
    assert len(site.stored("models/*/model.yaml")) == before
