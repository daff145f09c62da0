"""Whole runs by Airflow itself, with a stand-in for every stage."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.models.asset import AssetEvent, AssetModel
from airflow.utils.session import create_session
from ml_pipeline_airflow.builder import build_dag
from ml_pipeline_airflow.process_operator import ProcessStageOperator
from sqlalchemy import select

STAND_IN = Path(__file__).with_name("stand_in.py")
DUE = datetime(2013, 9, 1, 6, tzinfo=UTC)

# What Airflow, its server and its database warn of while a run goes on is theirs.
pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def run(airflow_database: None, store: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """Run an offline DAG and return the state of every task."""
    monkeypatch.setenv("ML_PIPELINE_RUNNER", "process")
    monkeypatch.setenv("ML_PIPELINE_RETRIES", "0")
    monkeypatch.setattr(ProcessStageOperator, "command", (sys.executable, str(STAND_IN), "stage"))

    def run_it(use_case: str = "demo", **arguments: Any) -> dict[str, str]:
        done = build_dag(use_case, "offline").test(**arguments)
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


def events(use_case: str) -> list[dict[str, Any]]:
    """Extras of the events of a use case's asset, with those of all runs before."""
    query = select(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
    with create_session() as session:
        found = session.scalars(query.where(AssetModel.uri == f"ml-pipeline://{use_case}/champion"))
        return [event.extra for event in found]


@pytest.mark.parametrize("use_case", ["demo", "careful"])
def test_a_promotion_is_told_and_nobody_is_asked_in_a_test(
    run: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch, use_case: str
) -> None:
    before = len(events(use_case))
    assert set(run(use_case, logical_date=None, run_after=DUE).values()) == {"success"}
    (extra,) = events(use_case)[before:]
    assert extra.pop("run_id").startswith("offline-manual__2013-09-01T06-00-00")
    assert extra == {
        "model_version": "m1",
        "previous": "m0",
        "metrics": {"roc_auc": 0.7, "brier": 0.2},
        "as_of": "2013-09-01T06:00:00+00:00",
        "synthetic": [],
    }


def test_where_the_candidate_was_champion_already_nothing_is_told(
    run: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = events("demo")
    monkeypatch.setenv("STAND_IN", "reused")
    assert set(run(logical_date=None).values()) == {"success"}
    assert events("demo") == before


def test_a_verdict_that_does_not_pass_skips_question_and_promotion(
    run: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = events("careful")
    monkeypatch.setenv("STAND_IN", "poor")
    states = run("careful", logical_date=None)
    assert {task for task, state in states.items() if state == "skipped"} == {"approve", "promote"}
    assert set(states.values()) == {"success", "skipped"}
    assert events("careful") == before
