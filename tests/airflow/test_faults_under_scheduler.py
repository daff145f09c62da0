"""What people and machines do to tasks while a real Airflow runs them: its scheduler, its supervisors, its REST API.

All of it happens at the same time, to a use case each, in one Airflow.
"""

from __future__ import annotations

import io
import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest

from tests.airflow.worker import IMAGE
from tests.airflow_site import PATIENCE, airflow_at_work, password, settings, wait

pytestmark = [pytest.mark.airflow, pytest.mark.containers]
FAULTS = ("killed", "marked", "cleared")
PIPELINE = """\
question: Will the order be late?
key: order
time: due
label: late
model: models.LatenessModel
postprocess: models.bands
sources:
  orders: {reader: sources.orders, prepare: sources.plain, known: seen, drives: true}
services:
  offline: {all: [ingest, prepare, combine, split, train, evaluate, promote]}
resources: {memory: 256MB, cpus: 1}
"""


class Site:
    """An Airflow at work, and one run of each use case whose only task waits at a gate."""

    def __init__(self, url: str, folder: Path, engine: docker.DockerClient) -> None:
        self.url, self.folder, self.engine = url, folder, engine
        signed_in = {"username": "admin", "password": password(folder)}
        self.token = ""
        self.token = self.ask("POST", "/auth/token", **signed_in)["access_token"]

    def ask(self, method: str, path: str, **body: Any) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        content = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def start(self, use_case: str) -> None:
        dag = f"/api/v2/dags/{use_case}.offline_training"
        self.ask("PATCH", dag, is_paused=False)
        self.ask("POST", f"{dag}/dagRuns", dag_run_id="r", logical_date=None)

    def task(self, use_case: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/api/v2/dags/{use_case}.offline_training/dagRuns/r/taskInstances/all")
        return found

    def containers(self, use_case: str) -> list[Any]:
        return containers(self.engine, use_case)

    def started(self, use_case: str) -> list[str]:
        """Attempts of which a container came as far as the gate."""
        return sorted(path.name for path in self.store(use_case).glob("started-*"))

    def store(self, use_case: str) -> Path:
        return self.folder / "store" / use_case

    def until(self, condition: Callable[[], Any]) -> None:
        wait(lambda: bool(condition()), PATIENCE, (self.folder / "log").read_text)

    def log(self, use_case: str, try_number: int) -> str:
        path = f"/api/v2/dags/{use_case}.offline_training/dagRuns/r/taskInstances/all/logs/{try_number}"
        return json.dumps(self.ask("GET", f"{path}?full_content=true"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient) -> Iterator[Site]:
    """The use cases are packages, and their images all those of a stand-in that waits at a gate."""
    folder = tmp_path_factory.mktemp("faults")
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(0o755)
    tags = [f"ml-pipeline/{fault}-{kind}:latest" for fault in FAULTS for kind in ("data", "train", "serve")]
    for tag in tags:
        engine.images.build(fileobj=io.BytesIO(f"FROM {IMAGE}\nENV STAND_IN=gated\n".encode()), tag=tag, rm=True)
    for fault in FAULTS:
        _install(folder / "installed", fault)
    own = {
        "ML_PIPELINE_RUNNER": "docker",
        "ML_PIPELINE_STORE": str(folder / "store"),
        "ML_PIPELINE_RETRIES": "1",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
    }
    environment = settings(folder, **own)
    environment["PYTHONPATH"] += f"{os.pathsep}{folder / 'installed'}"
    try:
        with airflow_at_work(folder, environment) as url:
            yield Site(url, folder, engine)
    finally:
        for fault in FAULTS:
            for container in containers(engine, fault):
                container.remove(force=True)
        for tag in tags:
            engine.images.remove(tag)


def containers(engine: docker.DockerClient, use_case: str) -> list[Any]:
    """All of a use case that are there."""
    ours = {"label": f"ml-pipeline.use-case={use_case}"}
    found: list[Any] = engine.containers.list(all=True, ignore_removed=True, filters=ours)
    return found


def _install(folder: Path, name: str) -> None:
    package, metadata = folder / f"{name}_case", folder / f"{name}_case-1.0.dist-info"
    package.mkdir(parents=True)
    metadata.mkdir()
    (package / "__init__.py").touch()
    (package / "pipeline.yaml").write_text(PIPELINE)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-case\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[ml_pipeline.use_cases]\n{name} = {name}_case\n")


def _kill_worker(site: Site, use_case: str) -> None:
    """The task's process and its supervisor, at once: nobody can tell Airflow."""
    title = f"airflow worker -- {site.task(use_case)['id']}"
    (runner,) = [found for found in psutil.process_iter(["cmdline"]) if title in (found.info["cmdline"] or [])]
    supervisor = runner.parent()
    assert supervisor
    supervisor.kill()
    runner.kill()


def test_what_happens_to_tasks_ends_in_true_states_and_leaves_no_container(site: Site) -> None:
    for fault in FAULTS:
        site.start(fault)
    for fault in FAULTS:
        site.until(lambda fault=fault: len(site.started(fault)) == 1)
    task = "/api/v2/dags/{0}.offline_training/{1}"
    _kill_worker(site, "killed")
    site.ask("PATCH", task.format("marked", "dagRuns/r/taskInstances/all"), new_state="failed")
    again = {"dag_run_id": "r", "task_ids": ["all"], "only_failed": False, "dry_run": False}
    site.ask("POST", task.format("cleared", "clearTaskInstances"), **again)

    site.until(lambda: not site.containers("marked"))
    site.until(lambda: len(site.started("cleared")) == 2)
    site.until(lambda: site.task("killed")["try_number"] == 2 and site.task("killed")["state"] == "running")
    for fault in FAULTS:
        (site.store(fault) / "gate").touch()
    for fault, state in {"killed": "success", "marked": "failed", "cleared": "success"}.items():
        site.until(lambda fault=fault, state=state: site.task(fault)["state"] == state)
        site.until(lambda fault=fault: not site.containers(fault))
    assert len(site.started("killed")) == 1
    assert "taken over from try 1" in site.log("killed", 2)
    assert len(site.started("marked")) == 1
    assert "The task was killed; its stage was stopped." in site.log("marked", 1)
