"""One try of a task under Airflow's own supervisor and task runner; the API server alone is a stand-in."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

from tests.airflow.worker import PROCESSES

BUNDLE, MOMENT = "peers", "2013-09-01T00:00:00Z"
RAISED = "Task failed with exception"
PATIENCE = 120
"""Seconds after which a try that has not ended never will."""

NOT_RUNNING, GONE = 409, 410


class Task(NamedTuple):
    """Which try of which task, and the file of its DAG."""

    file: Path
    dag: str
    run: str
    task: str
    number: int
    retries: int


class Try:
    """Starts at once, in a process of its own, and is really killed.

    Args:
        folder: where it leaves its log, and what was told to Airflow.
        task: what to run.
        environment: all variables of the worker.
    """

    def __init__(self, folder: Path, task: Task, environment: Mapping[str, str]) -> None:
        self.folder = folder / f"try-{task.number}"
        self.folder.mkdir()
        bundle = {"name": BUNDLE, "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle"}
        own = {
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.folder),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
                [bundle | {"kwargs": {"path": str(task.file.parent)}}]
            ),
        }
        self.process = PROCESSES.Process(target=_supervise, args=(dict(environment) | own, sys.path, self.folder, task))
        self.process.start()

    @property
    def told(self) -> list[dict[str, Any]]:
        """What Airflow was told and has accepted, in order: path and body."""
        return _lines(self.folder / "told")

    @property
    def state(self) -> str:
        """The one that Airflow was told at the end; empty where it was told none."""
        states = [told["body"]["state"] for told in self.told if told["path"].endswith("/state")]
        return states[-1] if states else ""

    @property
    def log(self) -> str:
        """Of the task, as the UI shows it."""
        file = self.folder / "log"
        return file.read_text() if file.exists() else ""

    @property
    def errors(self) -> list[str]:
        """What the task raised, then what led to that, as the log has it."""
        raised = [line["error_detail"] for line in _lines(self.folder / "log") if line["event"] == RAISED]
        return [f"{one['exc_type']}: {one['exc_value']}" for one in raised[0]] if raised else []

    def refuse(self, code: int) -> None:
        """Airflow takes no word of it from now on: it is not running any more, or another try has its place."""
        (self.folder / "refusal").write_text(str(code))

    def terminate(self) -> None:
        """SIGTERM to the supervisor, as a worker that is shut down gets it."""
        self.process.terminate()

    def kill(self) -> None:
        """SIGKILL to supervisor and task at once: nobody can tell Airflow."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.wait()

    def freeze(self) -> None:
        """The supervisor stands still, so Airflow hears nothing; the task goes on."""
        psutil.Process(self.process.pid).suspend()

    def thaw(self) -> None:
        """It goes on as if nothing had been."""
        psutil.Process(self.process.pid).resume()

    def wait(self) -> None:
        """For its end; what does not end is a fault, too."""
        self.process.join(PATIENCE)
        if self.process.is_alive():
            (self.folder / "hangs").touch()
            self.kill()

    @property
    def hangs(self) -> bool:
        """Whether it had to be ended."""
        return (self.folder / "hangs").exists()

    def _processes(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            return [own, *own.children(recursive=True)]
        return []


class Server:
    """Answers as Airflow's API server does: who is not running any more may not report."""

    def __init__(self, folder: Path, task: Task) -> None:
        self.folder, self.task = folder, task

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/run"):
            return httpx.Response(200, json=self._context())
        refusal = self.folder / "refusal"
        if path.endswith(("/heartbeat", "/state")) and refusal.exists():
            detail = {"reason": "not_running", "message": "TI is no longer in the running state"}
            return httpx.Response(int(refusal.read_text()), json={"detail": detail})
        with (self.folder / "told").open("a") as file:
            file.write(json.dumps({"path": path, "body": json.loads(request.content or b"null")}) + "\n")
        return httpx.Response(200, json={})

    def _context(self) -> dict[str, Any]:
        moments = ("logical_date", "data_interval_start", "data_interval_end", "run_after", "start_date")
        run: dict[str, Any] = dict.fromkeys(moments, MOMENT)
        run |= {"dag_id": self.task.dag, "run_id": self.task.run, "state": "running"}
        run |= {"end_date": None, "run_type": "manual", "consumed_asset_events": [], "partition_key": None}
        again = self.task.number <= self.task.retries
        return {"dag_run": run, "max_tries": self.task.retries, "should_retry": again}


def _supervise(environment: dict[str, str], path: list[str], folder: Path, task: Task) -> None:
    os.environ.clear()
    os.environ |= environment
    sys.path[:] = path
    tempfile.tempdir = None  # to be looked up in the environment
    from airflow.executors.workloads.base import BundleInfo
    from airflow.sdk.api.client import Client
    from airflow.sdk.api.datamodels._generated import TaskInstance
    from airflow.sdk.execution_time.supervisor import supervise_task

    with (folder / "supervisor").open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    named: dict[str, Any] = {"dag_id": task.dag, "run_id": task.run, "task_id": task.task, "try_number": task.number}
    supervise_task(
        ti=TaskInstance(id=uuid.uuid4(), dag_version_id=uuid.uuid4(), **named),
        bundle_info=BundleInfo(name=BUNDLE),
        dag_rel_path=task.file.name,
        token="",
        client=Client(base_url=None, dry_run=True, token="", transport=httpx.MockTransport(Server(folder, task))),
        log_path="log",
    )


def _lines(file: Path) -> list[dict[str, Any]]:
    """The whole ones of a file that may still grow."""
    if not file.exists():
        return []
    whole, _, _ = file.read_text().rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]
