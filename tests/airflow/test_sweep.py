"""What is left on an engine, swept up by the command and by the DAG."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest
from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.sdk.exceptions import AirflowException
from airflow.utils.session import create_session
from click.testing import CliRunner
from ml_pipeline_airflow import mounts, sweep
from ml_pipeline_airflow.attach import KEEP
from ml_pipeline_airflow.stage_operator import StageOperator
from ml_pipeline_airflow.sweep import YOUNG
from ml_pipeline_airflow.sweep_operator import NAME, maintenance_dag
from sqlalchemy import select

from ml_pipeline.cli import main

# What Airflow and its database warn of while a run goes on is theirs.
pytestmark = [
    pytest.mark.airflow,
    pytest.mark.containers,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("own_tmp"),
]
Leave = Callable[..., str]


@pytest.fixture
def abandoned(
    engine: docker.DockerClient,
    left: Callable[[], list[Any]],
    operator: Callable[..., StageOperator],
    context: Callable[..., Any],
) -> Leave:
    """Start a container of a run's task and leave it to itself; its name."""

    def leave(run: str, task: str, how: str) -> str:
        told, made = context(), operator(how)
        told["ti"].dag_id, told["ti"].run_id, told["ti"].task_id = NAME, run, task
        container = made._attached(made.order(told))
        if how != "hang":
            engine.containers.get(container.id).wait()
        return container.name

    return leave


@pytest.fixture
def ended_run(airflow_database: None, shared: Path) -> str:
    """The id of a run that Airflow knows to be over."""
    return swept_by_dag()[0]


def swept_by_dag(**asked: Any) -> tuple[str, Any]:
    """Run the maintenance DAG; the id of its run, and what its task returned."""
    done = maintenance_dag().test(run_conf=asked)
    assert {task.state for task in done.get_task_instances()} <= {"success", "skipped"}
    with create_session() as session:
        query = select(XComModel.value).where(XComModel.run_id == done.run_id, XComModel.key == "return_value")
        found = session.scalar(query)
    return done.run_id, found


def names(left: Callable[[], list[Any]]) -> set[str]:
    return {container.name for container in left()}


def command(*arguments: str) -> Any:
    answer = CliRunner().invoke(main, ["sweep", "--json", *arguments])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def test_what_was_kept_for_long_enough_goes_and_what_is_young_stays(
    operator: Callable[..., StageOperator],
    context: Callable[..., Any],
    left: Callable[[], list[Any]],
    engine: docker.DockerClient,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with pytest.raises(AirflowException):
        operator("broken").execute(context())
    assert command() == {"removed": [], "orphans": [], "credentials": 0, "unfinished": []}
    (kept,) = names(left)
    monkeypatch.setenv(KEEP, "1s")
    time.sleep(1.1)
    assert command()["removed"] == [], "its worker may not have read it yet"
    monkeypatch.setattr(sweep, "READ", dt.timedelta())
    assert command("--store", str(tmp_path / "another"))["removed"] == []
    (removed,) = command()["removed"]
    assert removed == [kept, "demo.offline_training", "r:1", "try 1 ended with exit code 70"]
    assert names(left) == set()


def test_containers_whose_run_is_over_are_told_and_removed_on_demand(
    ended_run: str, abandoned: Leave, left: Callable[[], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = abandoned(ended_run, "one", "hang")
    ended = abandoned(ended_run, "two", "done")
    abandoned(ended_run, "three", "broken")
    elsewhere = abandoned("of another Airflow", "four", "hang")
    told = {name: (dag, run, says) for name, dag, run, says in command()["orphans"]}
    assert told == {
        running: (NAME, ended_run, "try 1 runs"),
        ended: (NAME, ended_run, "try 1 ended with exit code 0"),
    }
    _, swept = swept_by_dag()
    assert (swept["removed"], set(swept["orphans"])) == ([], {running, ended})
    _, swept = swept_by_dag(orphans=True)
    assert (set(swept["removed"]), swept["orphans"]) == ({running, ended}, [])
    assert len(names(left)) == 2
    assert elsewhere in names(left)
    assert not names(left) & {running, ended}


def test_a_run_that_goes_on_keeps_its_containers(
    ended_run: str, abandoned: Leave, left: Callable[[], list[Any]]
) -> None:
    with create_session() as session:
        session.scalar(select(DagRun).where(DagRun.run_id == ended_run)).state = "running"
    running = abandoned(ended_run, "one", "hang")
    assert command("--orphans")["orphans"] == []
    assert names(left) == {running}


def test_credentials_without_a_container_go(
    shared: Path, engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    young, old = mounts.secrets().folder, mounts.secrets().folder
    os.utime(old, (time.time() - YOUNG - 1,) * 2)
    assert command()["credentials"] == 1
    assert Path(young).exists()
    assert not Path(old).exists()
    mounts.forget(young)


def test_where_stages_are_processes_there_is_nothing_to_sweep(
    airflow_database: None, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_RUNNER", "process")
    assert swept_by_dag()[1] is None


def test_parts_that_nobody_will_finish_go_by_the_dag_whatever_stages_run_in(
    airflow_database: None, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_RUNNER", "process")
    assert swept_by_dag()[1] is None
    part = _abandoned(store)
    assert swept_by_dag()[1] == {"unfinished": [f"file://{part.parent}"]}
    assert not part.exists()


def test_parts_that_nobody_will_finish_go_by_the_command(engine: docker.DockerClient, store: Path) -> None:
    part = _abandoned(store)
    assert command()["unfinished"] == [f"file://{part.parent}"]
    assert not part.exists()


def _abandoned(store: Path) -> Path:
    """A part that a writer left two days ago."""
    part = store / "demo" / "data" / "begun" / "part-00000-0a.parquet"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"PAR1")
    long_ago = time.time() - 2 * 86400
    os.utime(part, (long_ago, long_ago))
    return part


def test_without_an_engine_the_command_says_what_to_do(store: Path, no_engine: str) -> None:
    answer = CliRunner().invoke(main, ["sweep"])
    assert answer.exit_code == 70
    assert "make engine" in answer.output
