from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from ml_pipeline_airflow import assets, promotion
from ml_pipeline_airflow.stage_task import Order

from ml_pipeline.contract import Artifact, StageRequest, StageResult

NIGHT = dt.datetime(2013, 9, 1, tzinfo=dt.UTC)


def result(stage: str, status: Any, *artifacts: Artifact) -> StageResult:
    return StageResult(
        use_case="demo", mode="offline", stage=stage, run_id="r1", as_of=NIGHT, attempt="a", status=status,
        system_version="s", finished=NIGHT, artifacts=artifacts, synthetic=("orders",),
    )  # fmt: skip


ENTRY = Artifact("promotion", "s3://p", "promotions/000002.yaml", "m2")


@pytest.fixture
def announce(store: Path, context: Callable[..., Any]) -> Callable[..., tuple[list[Any], Any]]:
    """Announce what a task did; its outlets and what its event says afterwards."""
    request = StageRequest("demo", "offline", ("evaluate", "promote"), "r1", NIGHT, str(store))
    metrics = {"roc_auc": {"value": 0.7}, "brier": {"value": float("nan")}}
    entry = {"to": "m2", "previous": "m1", "run": "r1", "as_of": NIGHT.isoformat()}
    (store / "demo/promotions").mkdir(parents=True)
    (store / "demo/promotions/000002.yaml").write_text(json.dumps(entry))
    (store / "demo/models/m2").mkdir(parents=True)
    (store / "demo/models/m2/metrics.yaml").write_text(json.dumps({"metrics": metrics}).replace("NaN", ".nan"))

    def tell(*results: StageResult, try_number: int = 1, cleared: int = 0) -> tuple[list[Any], Any]:
        given = {**context(try_number=try_number), "outlet_events": defaultdict(SimpleNamespace)}
        given["dag_run"].clear_number = cleared
        task: Any = SimpleNamespace(outlets=[promotion.champion("demo")])
        assets.announce(task, Order(request, None, given), results)  # type: ignore[arg-type]
        return task.outlets, [event.extra for event in given["outlet_events"].values()]

    return tell


def test_a_promotion_is_an_event_that_says_of_which_model(announce: Callable[..., Any]) -> None:
    outlets, events = announce(result("evaluate", "done"), result("promote", "done", ENTRY))
    assert outlets == [promotion.champion("demo")]
    assert events == [
        {
            "model_version": "m2",
            "previous": "m1",
            "metrics": {"roc_auc": 0.7},
            "as_of": "2013-09-01T00:00:00+00:00",
            "run_id": "r1",
            "synthetic": ["orders"],
        }
    ]


@pytest.mark.parametrize(
    "results",
    [[result("promote", "reused", ENTRY)], [result("evaluate", "done"), result("promote", "skipped")], []],
)
def test_without_a_promotion_there_is_no_event(announce: Callable[..., Any], results: list[StageResult]) -> None:
    assert announce(*results) == ([], [])


def test_a_promotion_is_told_once_even_where_the_try_that_made_it_broke_off(announce: Callable[..., Any]) -> None:
    outlets, events = announce(result("promote", "reused", ENTRY), try_number=2)
    assert (len(outlets), len(events)) == (1, 1)
    assert announce(result("promote", "reused", ENTRY), try_number=2, cleared=1) == ([], [])


def test_a_backfill_leaves_the_champion_alone_unless_it_was_told_to_promote(context: Callable[..., Any]) -> None:
    backfill, told, nightly = context(), context(promote=True), context()
    for run in (backfill, told):
        run["dag_run"].run_type = "backfill"
    assert promotion.steps_now(["evaluate", "promote"], backfill) == ("evaluate",)
    assert promotion.steps_now(["train"], backfill) == ("train",)
    with pytest.raises(AirflowSkipException, match="A backfill trains models and leaves the champion alone"):
        promotion.steps_now(["promote"], backfill)
    for run in (told, nightly):
        assert promotion.steps_now(["promote"], run) == ("promote",)


def test_a_backfill_of_monitoring_proposes_at_most(context: Callable[..., Any]) -> None:
    backfill, nightly = context(), context()
    backfill["dag_run"].run_type = "backfill"
    assert promotion.restrained("monitoring", backfill) == {"monitoring.rollback": "propose"}
    assert promotion.restrained("monitoring", nightly) == promotion.restrained("offline", backfill) == {}


def test_who_agreed_reaches_promote_where_somebody_was_asked(context: Callable[..., Any]) -> None:
    given, agreed = context(), {"approved_by": "ada", "reason": "fresher"}
    given["ti"].xcom_pull = lambda task_ids: {"approve": agreed}[task_ids]
    after, alone = (SimpleNamespace(upstream_task_ids=names) for names in ({"evaluate", "approve"}, {"evaluate"}))
    assert promotion.consent(after, given) == agreed  # type: ignore[arg-type]
    assert promotion.consent(alone, given) == {}  # type: ignore[arg-type]
    given["ti"].xcom_pull = lambda task_ids: None
    assert promotion.consent(after, given) == {}  # type: ignore[arg-type]
