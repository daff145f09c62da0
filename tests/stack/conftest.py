"""The stack of docker-compose.yaml under a name, with a folder and on ports of its own, with one tiny use case."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from containers import build, stack, stack_health
from containers.use_case_images import own_images
from ml_pipeline import discovery
from tests.airflow_site import PATIENCE, ROOT, wait

NAME = "corner"
AS_OF = "2024-06-16"
"""A day on which the scaffold's records have labels before, and none after."""

FEW_TASKS = """\
services:
  offline: {data: [ingest, prepare, combine, split], fit: [train, evaluate]}
  online: {score: [ingest, prepare, combine, serve, postprocess]}
"""
PROJECT = f"ml-pipeline-test-{os.getpid()}"


class Stack(NamedTuple):
    """What was started: the engine's client, the folder with the secrets, and where the services answer."""

    client: Any
    folder: Path
    environment: dict[str, str]

    def command(self, *arguments: str) -> str:
        """What `containers/stack.py` prints."""
        command = [sys.executable, "containers/stack.py", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def containers(self) -> dict[str, Any]:
        """Service -> its container."""
        return stack_health.services(self.client, PROJECT)

    def url(self, service: str) -> str:
        """Where a service answers on this machine."""
        return stack.published(self.client, PROJECT)[service]

    def secret(self, name: str) -> str:
        """The content of a secret's file."""
        return (self.folder / name).read_text().strip()

    @property
    def password(self) -> str:
        """Of Airflow's user admin."""
        return str(json.loads(self.secret("secrets/airflow_passwords"))["admin"])

    def ask(self, path: str, body: Any = None, method: str = "") -> Any:
        """Airflow's REST API, as the user admin."""
        signed_in = post(f"{self.url('api-server')}/auth/token", {"username": "admin", "password": self.password})
        return post(self.url("api-server") + path, body, method=method, token=signed_in["access_token"])

    def unpause(self, dag: str) -> None:
        """Switch a DAG on, once Airflow knows it."""
        known = "/api/v2/dags?limit=50"
        wait(
            lambda: dag in [found["dag_id"] for found in self.ask(known)["dags"]],
            PATIENCE,
            lambda: self.log("dag-processor"),
        )
        self.ask(f"/api/v2/dags/{dag}", {"is_paused": False}, "PATCH")

    def runs(self, dag: str) -> list[str]:
        """Ids of all runs of a DAG."""
        return [run["dag_run_id"] for run in self.ask(f"/api/v2/dags/{dag}/dagRuns")["dag_runs"]]

    def finished(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        """Task -> its instance, of a run that has succeeded."""

        def over() -> bool:
            state = self.ask(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"]
            assert state != "failed", self.log("scheduler")
            return bool(state == "success")

        wait(over, PATIENCE, lambda: self.log("scheduler"))
        found = self.ask(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in found}

    def log(self, service: str) -> str:
        """The last words of a service."""
        return str(self.containers()[service].logs(tail=30).decode(errors="replace"))


def post(url: str, body: Any = None, method: str = "", token: str = "") -> Any:
    """Send JSON, or ask without any; the JSON of the answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    order = urllib.request.Request(url, data, headers, method=method or ("POST" if data else "GET"))
    with urllib.request.urlopen(order, timeout=PATIENCE) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def use_cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the use case, and the images that its stages run in, which go again."""
    folder = tmp_path_factory.mktemp("stack") / "use_cases"
    folder.mkdir()
    subprocess.run(
        [Path(sys.executable).with_name("ml-pipeline"), "new", NAME, "--folder", folder],
        check=True,
        capture_output=True,
    )
    pipeline = folder / NAME / "pipeline.yaml"
    pipeline.write_text(re.sub(r"^schedule: .*\n", FEW_TASKS, pipeline.read_text(), flags=re.MULTILINE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(discovery.FOLDERS, str(folder))
        discovery._packages.cache_clear()
        client = build.connect()
        made = [build.build(client, build.Recipe.own(own), _shared(client, own.kind)) for own in own_images(NAME)]
    discovery._packages.cache_clear()
    yield folder
    for image in made:
        client.images.remove(image.id, force=True)
    client.close()


@pytest.fixture(scope="module")
def running(use_cases: Path) -> Iterator[Stack]:
    """The stack at work; gone afterwards, also where a test failed."""
    folder = use_cases.parent / "stack"
    ports = dict.fromkeys(("AIRFLOW_PORT", "API_PORT", "STORE_PORT"), "")
    own = {"COMPOSE_PROJECT_NAME": PROJECT, "STACK_FOLDER": str(folder), discovery.FOLDERS: str(use_cases)}
    client = build.connect()
    started = Stack(client, folder, {**os.environ, **ports, **own})
    try:
        started.command("up")
        kept = dict(line.split("=", 1) for line in (folder / stack.SETTINGS).read_text().splitlines())
        # What comes later takes the images as they are.
        started.environment.update({name: image for name, image in kept.items() if name.endswith("_IMAGE")})
        yield started
    finally:
        if started.containers():
            started.command("down", "--volumes")
        client.close()


def _shared(client: Any, kind: str) -> str:
    return str(client.images.get(f"{build.REPOSITORY}/{kind}:latest").id)
