"""Whole runs by Airflow itself, with a stand-in for every stage."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ml_pipeline_airflow.builder import build_dag
from ml_pipeline_airflow.process_operator import ProcessStageOperator

STAND_IN = Path(__file__).with_name("stand_in.py")
DUE = datetime(2013, 9, 1, 6, tzinfo=UTC)

# What Airflow, its server and its database warn of while a run goes on is theirs.
pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def run(airflow_database: None, store: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """Run the offline DAG of the demo and return the state of every task."""
    monkeypatch.setenv("ML_PIPELINE_RUNNER", "process")
    monkeypatch.setenv("ML_PIPELINE_RETRIES", "0")
    monkeypatch.setattr(ProcessStageOperator, "command", (sys.executable, str(STAND_IN), "stage"))

    def run_it(**arguments: Any) -> dict[str, str]:
        done = build_dag("demo", "offline").test(**arguments)
        return {task.task_id: str(task.state) for task in done.get_task_instances()}

    return run_it


def orders(store: Path) -> dict[str, Any]:
    found = {path.parent.name: json.loads(path.read_text()) for path in store.glob("demo/runs/*/*/result.json")}
    return {step: result["metrics"]["request"] for step, result in found.items()}


def test_a_run_without_logical_date_is_as_of_when_it_was_due(run: Callable[..., dict[str, str]], store: Path) -> None:
    states = run(logical_date=None, run_after=DUE)
    assert set(states.values()) == {"success"}
    assert set(orders(store)) == set(states)
    assert {order["as_of"] for order in orders(store).values()} == {"2013-09-01T06:00:00Z"}
    assert len({order["run_id"] for order in orders(store).values()}) == 1
    assert len({order["attempt"] for order in orders(store).values()}) == len(states)


def test_the_form_reaches_the_stages(run: Callable[..., dict[str, str]], store: Path) -> None:
    run(run_conf={"as_of": "2013-10-01", "force": ["prepare"], "parameters": {"split.test": "122d"}})
    assert {order["as_of"] for order in orders(store).values()} == {"2013-10-01T04:00:00Z"}
    assert {step for step, order in orders(store).items() if order.get("force")} == {
        "prepare.orders",
        "prepare.weather",
    }
    assert orders(store)["split"]["parameters"] == {"split.test": "122d"}


def test_nothing_to_do_is_skipped_with_all_that_follows(
    run: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "nothing")
    assert set(run(logical_date=None).values()) == {"skipped"}


def test_a_result_of_another_attempt_fails_the_task(
    run: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "stale")
    states = run(logical_date=None)
    assert states["ingest.orders"] == "failed"
    assert states["promote"] == "upstream_failed"
