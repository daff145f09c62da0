"""`make demo`, as a user types it: one use case, through Airflow, in containers and as processes alike."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ml_pipeline.artifacts import embedded
from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.store import Store, _client
from ml_pipeline.columns import Category
from ml_pipeline.discovery import find
from ml_pipeline.stages import tasks

ROOT = Path(__file__).parents[1]
NAMES_THE_MODEL = ("predictions", "scored", "verdict", "promotion")
"""Artifacts that hold the model's version, which differs where the images count instead of the installed packages."""


class Demo(NamedTuple):
    """What one `make demo` left."""

    use_case: str
    output: str
    environment: dict[str, str]
    home: Path

    def results(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(mode, stage) -> its result."""
        command = [str(ROOT / ".venv/bin/ml-pipeline"), "runs", self.use_case, "--json"]
        found = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return {(result["mode"], result["stage"]): result for result in json.loads(found.stdout)}

    def states(self) -> dict[str, set[str | None]]:
        """DAG -> states of all its task instances."""
        with sqlite3.connect(self.home / "airflow.db") as database:
            rows = database.execute("select dag_id, task_id, state from task_instance").fetchall()
        found: dict[str, set[str | None]] = {}
        for dag, task, state in rows:
            found.setdefault(dag, set()).add(f"{task}: {state}")
        return found


def demo_of(use_case: str, folder: Path, runner: str) -> Iterator[Demo]:
    """`make demo` with a store and an Airflow of its own."""
    endpoint = embedded.start(folder / "store")
    environment = {
        **os.environ,
        **endpoint.environment,
        "ML_PIPELINE_STORE": endpoint.uri,
        "ML_PIPELINE_RUNNER": runner,
        "AIRFLOW_HOME": str(folder / "airflow"),
    }
    for name in [name for name in environment if name.startswith("AIRFLOW__")]:
        del environment[name]
    try:
        yield Demo(use_case, make_demo(use_case, environment), environment, folder / "airflow")
    finally:
        embedded.stop(folder / "store")


def make_demo(use_case: str, environment: dict[str, str]) -> str:
    """What the command prints."""
    command = ["make", "demo", f"USE_CASE={use_case}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


class MainJob:
    """The tests of a use case, in a file for each, so that they run at the same time."""

    scored: str
    """How many rows the demo says it has scored."""
    synthetic: bool
    """Whether it rests on made-up records."""

    def test_every_task_succeeds_as_a_process(self, processes: Demo) -> None:
        _all_succeeded(processes)

    @pytest.mark.containers
    def test_every_task_succeeds_in_its_container(self, containers: Demo) -> None:
        _all_succeeded(containers)

    def test_the_demo_ends_with_what_a_person_wants_to_know(self, processes: Demo) -> None:
        shown = processes.output
        first = next(line for line in shown.splitlines() if line.startswith("runner:"))
        assert first.startswith("runner: process (")
        for words in (
            "roc_auc",
            "95 % interval",
            self.scored,
            "the 10 ranked first",
            "parameters",
            "predictions",
            "graph",
        ):
            assert words in shown
        assert f"ingest.{find(processes.use_case).config.driving('offline')}" in shown
        assert "Traceback" not in shown
        synthetic = "synthetic data: the records of now_health_data are made up" in shown
        assert synthetic == self.synthetic

    @pytest.mark.containers
    def test_containers_and_processes_leave_the_same_content(self, containers: Demo, processes: Demo) -> None:
        ours, theirs = containers.results(), processes.results()
        assert ours.keys() == theirs.keys()
        for stage, result in ours.items():
            for own, other in zip(result["artifacts"], theirs[stage]["artifacts"], strict=True):
                assert own["name"] == other["name"]
                if own["name"] not in NAMES_THE_MODEL:
                    assert own["digest"] == other["digest"], (stage, own["name"])
            assert result["rows_out"] == theirs[stage]["rows_out"]
            assert result["quarantined"] == theirs[stage]["quarantined"]
        evaluate = ("offline", "evaluate")
        assert ours[evaluate]["metrics"] == theirs[evaluate]["metrics"]
        assert ours[evaluate]["verdict"]["passed"] is True

    @pytest.mark.containers
    @pytest.mark.parametrize("stage", ["serve", "postprocess"])
    def test_predictions_are_the_same_to_the_last_bit(self, containers: Demo, processes: Demo, stage: str) -> None:
        ours, theirs = (_columns(demo, stage) for demo in (containers, processes))
        assert ours.keys() == theirs.keys()
        versions = {ours.pop("model_version"), theirs.pop("model_version")}
        assert len(versions) == 2, "images count in one, installed packages in the other"
        assert ours == theirs

    @pytest.mark.containers
    def test_an_unchanged_run_reuses_everything_and_proves_it_again(self, containers: Demo) -> None:
        make_demo(containers.use_case, containers.environment)
        results = containers.results()
        assert results.pop(("online", "replay"))["status"] == "done"
        assert {result["status"] for result in results.values()} == {"reused"}


def _all_succeeded(demo: Demo) -> None:
    config = find(demo.use_case).config
    expected = {
        f"{demo.use_case}.{name}": {f"{task.name}: success" for task in tasks(config, mode)}
        for name, mode in (("offline_training", "offline"), ("online_scoring", "online"))
    }
    assert demo.states() == expected


def _columns(demo: Demo, stage: str) -> dict[str, Any]:
    """Columns of a dataset as bytes or words, read with the settings of its demo."""
    artifact = demo.results()["online", stage]["artifacts"][0]
    names = ("AWS_ENDPOINT_URL", "AWS_SHARED_CREDENTIALS_FILE", "AWS_REGION")
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setenv(name, demo.environment[name])
        _client.cache_clear()
        columns = open_dataset(Store("s3://ml-pipeline").within(demo.use_case), artifact["key"]).columns()
        _client.cache_clear()
    return {
        name: tuple(column.values()) if isinstance(column, Category) else column.tobytes()
        for name, column in columns.items()
    }
