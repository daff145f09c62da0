"""What each runner stands on in tests, so that one table of behaviour holds for all of them."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import docker
import psutil
import yaml

from tests.airflow import worker
from tests.airflow.cluster_stand_in import PROGRAM, ClusterStandIn, cluster_stand_in
from tests.airflow.own_engine import TAG, Engine

DIGEST = "sha256:" + "0123456789abcdef" * 4


class Ground(ABC):
    """Where stages of a test run: `image` is what they run in, `contents` what that holds for the system version.

    `settings` are variables that lead to it.
    """

    runner: str
    image = ""
    contents: dict[str, str]

    def __init__(self, **settings: str) -> None:
        self.settings = settings

    def operator(self, how: str, **more: Any) -> Any:
        """A task whose stage is a stand-in that behaves like this."""
        return worker.operator(how, self.image, self.runner, **more)

    def worker(self, folder: Path, **told: Any) -> worker.Worker:
        """A process of its own in which such a task runs, whose stage waits at the gate."""
        return worker.Worker(folder, {"how": "gated", "image": self.image, "runner": self.runner}, told)

    @abstractmethod
    def left(self) -> list[str]:
        """Whatever is there of stages, but for what failed and is kept."""

    @abstractmethod
    def at_work(self) -> bool:
        """Whether a stage runs at this moment."""

    def clear(self) -> None:
        """Remove whatever a test has left; nothing where that is seen to elsewhere."""
        return


class Processes(Ground):
    """This machine's processes."""

    runner = "process"
    contents: dict[str, str] = {}  # noqa: RUF012 - of a class that has no instances in common

    def operator(self, how: str, **more: Any) -> Any:
        from ml_pipeline_airflow.process_operator import ProcessStageOperator

        os.environ["STAND_IN"] = how
        made = ProcessStageOperator(
            **{"task_id": "split", "use_case": "demo", "mode": "offline", "stages": ["split"], **more}
        )
        made.command = (sys.executable, str(PROGRAM), "stage")
        made.as_of, made.airflow_run = "2013-09-01", "r:1"
        return made

    def left(self) -> list[str]:
        return [str(one.pid) for one in psutil.Process().children() if str(PROGRAM) in _command(one)]

    def at_work(self) -> bool:
        return bool(self.left())


class DockerEngine(Ground):
    """The machine's engine."""

    runner = "docker"
    image = worker.IMAGE
    contents = {"data": "sha256:stand-in"}  # noqa: RUF012

    def __init__(self, listed: Callable[[], list[Any]]) -> None:
        super().__init__()
        self.listed = listed

    def left(self) -> list[str]:
        return [one.name for one in self.listed() if "-try-" not in one.name]

    def at_work(self) -> bool:
        return any(one.status == "running" for one in self.listed())


class OneNodeSwarm(Ground):
    """An engine of one's own that is a swarm."""

    runner = "swarm"
    image = TAG
    contents = {"data": "sha256:small"}  # noqa: RUF012

    def __init__(self, client: docker.APIClient, url: str) -> None:
        super().__init__(DOCKER_HOST=url)
        self.client = client

    def left(self) -> list[str]:
        services = [one["Spec"]["Name"] for one in self.client.services()]
        return services + [one["Spec"]["Name"] for one in self.client.secrets()]

    def at_work(self) -> bool:
        return any(one["State"] == "running" for one in self.client.containers())

    def clear(self) -> None:
        for service in self.client.services():
            self.client.remove_service(service["ID"])


class Cluster(Ground):
    """The stand-in for a cluster."""

    runner = "kubernetes"
    contents = dict.fromkeys(("data", "serve", "train"), DIGEST)

    def __init__(self, server: ClusterStandIn, folder: Path) -> None:
        """The folder holds the way to it, and gets the file that says where the images are."""
        images = {f"demo-{kind}": f"registry.invalid/demo-{kind}@{DIGEST}" for kind in self.contents}
        (folder / "images.yaml").write_text(yaml.safe_dump(images))
        extra = {"kube_config_path": str(folder / "kubeconfig"), "namespace": "stages"}
        super().__init__(
            AIRFLOW_CONN_KUBERNETES_DEFAULT=json.dumps({"conn_type": "kubernetes", "extra": extra}),
            ML_PIPELINE_IMAGES=str(folder / "images.yaml"),
            ML_PIPELINE_KUBERNETES_CLAIM="store",
        )
        self.server = server

    def left(self) -> list[str]:
        return list(self.server.pods)

    def at_work(self) -> bool:
        return bool(self.server.at_work())

    def clear(self) -> None:
        for name in list(self.server.pods):
            self.server.delete(name, 0)


@contextmanager
def one_node_swarm() -> Iterator[OneNodeSwarm]:
    """A swarm on an engine of its own that has the image of the stand-in."""
    own = Engine(Path(tempfile.mkdtemp(prefix="ml-pipeline-swarm-", dir="/var/tmp")))
    try:
        own.start(live_restore=False)
        own.load(worker.IMAGE)
        with closing(docker.APIClient(base_url=own.url, version="1.41")) as client:
            client.init_swarm(advertise_addr="127.0.0.1")
            yield OneNodeSwarm(client, own.url)
    finally:
        own.clear()


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A stand-in, with the way to it in a folder."""
    with cluster_stand_in(folder) as server:
        yield Cluster(server, folder)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
