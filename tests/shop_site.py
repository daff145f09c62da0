"""Airflow at work with one tiny use case, `shop`: that of the scaffold, its records moved to this week.

A person decides on promotions. The scheduler, the database and the pages are real; stages run as processes, so that no
container engine is needed.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.airflow_site import PATIENCE, ROOT, airflow_at_work, password, settings, wait
from tests.postgresql import postgresql

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

READING = 10.0
"""Seconds that a person takes to read: one who answers before the scheduler has noticed that the task paused is asked
again by Airflow 3.3, which takes the end of its process for the end of the task."""


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
        with urllib.request.urlopen(order, timeout=PATIENCE) as answer:
            return json.load(answer)

    def signed_in(self) -> Site:
        """The same with a token."""
        answer = self.ask("/auth/token", {"username": "admin", "password": password(self.folder)})
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
        """Decide, as a person does in the UI."""
        wait(lambda: self.states(run).get("approve") == "awaiting_input", PATIENCE, lambda: str(self.states(run)))
        time.sleep(READING)
        self.ask(self.question(run), {"chosen_options": [option], "params_input": {"reason": reason}}, "PATCH")

    def finished(self, run: str, dag: str = OFFLINE) -> dict[str, str]:
        """The states of all tasks of a run once it has succeeded."""

        def over() -> bool:
            state = self.ask(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"]
            assert state != "failed", self.states(run, dag)
            return bool(state == "success")

        wait(over, PATIENCE, lambda: str(self.states(run, dag)))
        return self.states(run, dag)

    def events(self) -> list[dict[str, Any]]:
        """Events of the asset; Airflow 3.3 cannot tell of one while the run that it started has not begun."""
        found: list[dict[str, Any]] = self.ask("/api/v2/assets/events?order_by=timestamp")["asset_events"]
        return [event for event in found if event["uri"] == "ml-pipeline://shop/champion"]

    def stored(self, pattern: str) -> list[Path]:
        """Files of the use case's store."""
        return sorted((self.folder / "store/shop").glob(pattern))

    def models(self, *command: str) -> Any:
        """The answer of `ml-pipeline models`."""
        asked = [BIN / "ml-pipeline", "models", *command, "--json"]
        done = subprocess.run(asked, env=self.environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def backfill(self, first: dt.date, last: dt.date, *options: str) -> list[str]:
        """Order one, of offline training, by Airflow's command; its runs."""
        known = f"/api/v2/backfills?dag_id={OFFLINE}"

        def none_runs() -> bool:
            return all(one["completed_at"] for one in self.ask(known)["backfills"])

        wait(none_runs, PATIENCE, lambda: "another one runs")
        days = ("--from-date", f"{first}T00:00:00+00:00", "--to-date", f"{last}T23:59:59+00:00")
        command = [BIN / "airflow", "backfill", "create", "--dag-id", OFFLINE, *days, *options]
        done = subprocess.run(command, env=self.environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
        return [run["dag_run_id"] for run in self.runs(OFFLINE) if run["run_type"] == "backfill"]


@contextmanager
def site_of_shop(folder: Path) -> Iterator[Site]:
    """Airflow with both DAGs of shop switched on; every file it writes is in `folder`.

    Its database is PostgreSQL: SQLite refuses one writer of two, and a backfill beside a scheduler is the second.
    """
    with postgresql() as database:
        yield from _site(folder, database.replace("postgresql://", "postgresql+psycopg2://"))


def _site(folder: Path, database: str) -> Iterator[Site]:
    _shop(folder / "use_cases")
    environment = settings(
        folder,
        ML_PIPELINE_STORE=str(folder / "store"),
        ML_PIPELINE_USE_CASES=str(folder / "use_cases"),
        AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=database,
    )
    with airflow_at_work(folder, environment) as url:
        site = Site(url, folder, environment).signed_in()
        for dag in (OFFLINE, ONLINE):
            wait(lambda dag=dag: _unpauses(site, dag), PATIENCE, (folder / "log").read_text)
        yield site


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


def _unpauses(site: Site, dag: str) -> bool:
    try:
        return not site.ask(f"/api/v2/dags/{dag}", {"is_paused": False}, "PATCH")["is_paused"]
    except OSError:
        return False


def day(back: int) -> dt.date:
    """The date so many days ago."""
    return NOW.date() - dt.timedelta(days=back)
