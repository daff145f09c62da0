"""A use case in an installed package of its own, a stand-in for stages, and an Airflow with an empty database."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.airflow import worker
from tests.airflow.stand_in_image import stand_in_image
from tests.conftest import OTHERS

if TYPE_CHECKING:
    import docker
    from ml_pipeline_airflow.stage_operator import StageOperator

    from tests.airflow.grounds import Cluster, OneNodeSwarm

ROOT = Path(__file__).parents[2]
HOME = Path(tempfile.mkdtemp(prefix="ml-pipeline-airflow-"))
"""Airflow reads its settings when it is first imported, so they are made before any test is."""

os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
}

PIPELINE = """\
question: Will the order be late?
key: order
time: due
label: late
horizon: 2h
timezone: America/New_York
model: models.LatenessModel
postprocess: models.bands
sources:
  orders: {reader: sources.orders, prepare: sources.plain, known: seen, drives: true}
  weather: {reader: sources.weather, prepare: sources.plain, join: {"on": [place]}}
schedule: {offline: "0 2 * * *", online: "0 4 * * *"}
services:
  online: {score: [serve, postprocess]}
resources: {memory: 256MB, cpus: 1}
"""


CAREFUL = PIPELINE.replace('online: "0 4 * * *"', "online: promotion") + "promotion: {policy: manual}\n"
"""A person is asked before a promotion, and every promotion starts a scoring."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder imports Airflow, which takes seconds."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.airflow)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of two packages, on the path: the use case `demo`, and `careful`, which is like it."""
    folder = tmp_path_factory.mktemp("installed")
    _install(folder, "demo", PIPELINE)
    _install(folder, "careful", CAREFUL)
    from ml_pipeline import discovery

    sys.path.insert(0, str(folder))
    OTHERS.add(str(folder))
    _forget(discovery)
    yield folder
    sys.path.remove(str(folder))
    _forget(discovery)


def _install(folder: Path, name: str, pipeline: str) -> None:
    (folder / f"{name}_case").mkdir()
    (folder / f"{name}_case" / "__init__.py").touch()
    (folder / f"{name}_case" / "pipeline.yaml").write_text(pipeline)
    metadata = folder / f"{name}_case-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-case\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[ml_pipeline.use_cases]\n{name} = {name}_case\n")


def _forget(discovery: Any) -> None:
    from ml_pipeline.artifacts import versions

    importlib.invalidate_caches()
    discovery._packages.cache_clear()
    versions._installed.cache_clear()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the object store."""
    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setenv("ML_PIPELINE_STORE", str(folder))
    return folder


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an engine that is not running."""
    url = "unix:///nonexistent/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", url)
    yield url
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()  # a connection that fails leaves the docker package's socket unclosed


@pytest.fixture
def context() -> Callable[..., dict[str, Any]]:
    """What Airflow tells a task when it runs, as far as stages need it."""

    return worker.context


@pytest.fixture(scope="session")
def airflow_database(demo: Path) -> None:
    """The tables of Airflow in SQLite."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The engine, with an image whose stages are stand-ins."""
    import docker

    client = docker.from_env()
    with stand_in_image(client, worker.IMAGE):
        yield client
    client.close()


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store in a new folder that the containers' user may write to."""
    folder = tmp_path_factory.mktemp("shared")
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(0o755)
    monkeypatch.setenv("ML_PIPELINE_STORE", str(folder / "store"))
    return folder / "store"


@pytest.fixture
def operator(demo: Path, shared: Path) -> Callable[..., StageOperator]:
    """Make an operator that runs a stand-in."""
    return worker.operator


@pytest.fixture
def left(engine: docker.DockerClient, shared: Path) -> Iterator[Callable[[], list[Any]]]:
    """The containers of this test's store that are there; afterwards none is."""

    def listed() -> list[Any]:
        return engine.containers.list(all=True, ignore_removed=True, filters={"label": f"ml-pipeline.store={shared}"})

    yield listed
    for container in listed():
        container.remove(force=True)


@pytest.fixture
def own_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for temporary files in which nobody else leaves copies of credentials; workers have it too."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))


@pytest.fixture(scope="session")
def swarm(engine: docker.DockerClient) -> Iterator[OneNodeSwarm]:
    """A swarm of one node, with the image of the stand-in."""
    from tests.airflow import grounds

    with grounds.one_node_swarm() as swarm:
        yield swarm


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A stand-in for a Kubernetes cluster."""
    from tests.airflow import grounds

    with grounds.cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def on_swarm(swarm: OneNodeSwarm, demo: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneNodeSwarm]:
    """Stages of this test run there."""
    yield from _ground(swarm, monkeypatch)


@pytest.fixture
def on_cluster(cluster: Cluster, demo: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Stages of this test run there."""
    yield from _ground(cluster, monkeypatch)


def _ground(found: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in found.settings.items():
        monkeypatch.setenv(name, value)
    yield found
    found.clear()
