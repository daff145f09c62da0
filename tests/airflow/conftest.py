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
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).with_name("stand_in.py")
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder imports Airflow, which takes seconds."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.airflow)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a package with the use case `demo`, on the path."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "demo_case").mkdir()
    (folder / "demo_case" / "__init__.py").touch()
    (folder / "demo_case" / "pipeline.yaml").write_text(PIPELINE)
    metadata = folder / "demo_case-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: demo-case\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[ml_pipeline.use_cases]\ndemo = demo_case\n")
    from ml_pipeline import discovery

    sys.path.insert(0, str(folder))
    _forget(discovery)
    yield folder
    sys.path.remove(str(folder))
    _forget(discovery)


def _forget(discovery: Any) -> None:
    importlib.invalidate_caches()
    discovery._packages.cache_clear()


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

    def make(try_number: int = 1, **params: Any) -> dict[str, Any]:
        ti = SimpleNamespace(
            id="0198-ti",
            try_number=try_number,
            dag_id="demo.offline_training",
            run_id="r:1",
            task_id="split",
            map_index=-1,
        )
        return {"params": {"as_of": None, "force": [], "parameters": {}, **params}, "ti": ti}

    return make


@pytest.fixture(scope="session")
def airflow_database(demo: Path) -> None:
    """The tables of Airflow in SQLite."""
    from airflow.utils.db import initdb

    initdb()
