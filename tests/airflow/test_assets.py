from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ml_pipeline_airflow import assets
from ml_pipeline_airflow.stage_task import Order

from ml_pipeline.contract import Artifact, StageRequest, StageResult
from ml_pipeline.discovery import find
from ml_pipeline.stages import tasks

NIGHT = dt.datetime(2013, 9, 1, tzinfo=dt.UTC)
SCORED = Artifact("scored", "s3://lake/demo/data/s", "data/s", "d1", rows=40)


def result(stage: str, status: Any = "done", *artifacts: Artifact) -> StageResult:
    return StageResult(
        use_case="demo", mode="online", stage=stage, run_id="r1", as_of=NIGHT, attempt="a", status=status,
        system_version="s", finished=NIGHT, artifacts=artifacts, synthetic=("orders",), model_version="m1",
    )  # fmt: skip


@pytest.fixture
def announce(context: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Announce what a task did; asset -> what its event says, of those that are left for Airflow to make."""
    request = StageRequest("demo", "online", ("serve", "postprocess"), "r1", NIGHT, "/nowhere")

    def tell(*results: StageResult, try_number: int = 1, cleared: int = 0) -> dict[str, Any]:
        given = {**context(try_number=try_number), "outlet_events": defaultdict(SimpleNamespace)}
        given["dag_run"].clear_number = cleared
        task: Any = SimpleNamespace(outlets=[assets.scored("demo")])
        assets.announce(task, Order(request, None, given), results)  # type: ignore[arg-type]
        assert set(given["outlet_events"]) == set(task.outlets)
        return {asset.uri: event.extra for asset, event in given["outlet_events"].items()}

    return tell


def test_what_is_new_is_an_event_that_says_what_it_is(announce: Callable[..., dict[str, Any]]) -> None:
    assert announce(result("serve"), result("postprocess", "done", SCORED)) == {
        "ml-pipeline://demo/scored": {
            "uri": "s3://lake/demo/data/s",
            "digest": "d1",
            "rows": 40,
            "model_version": "m1",
            "as_of": "2013-09-01T00:00:00+00:00",
            "run_id": "r1",
            "status": "done",
            "synthetic": ["orders"],
        }
    }


def test_what_was_there_or_is_not_is_no_event(announce: Callable[..., dict[str, Any]]) -> None:
    assert announce(result("postprocess", "reused", SCORED)) == {}
    assert announce(result("serve", "skipped"), result("postprocess", "skipped")) == {}
    assert announce() == {}


@pytest.mark.parametrize("cleared", [0, 1])
def test_what_an_earlier_try_may_have_stored_and_told_nobody_of_is_told(
    announce: Callable[..., dict[str, Any]], cleared: int
) -> None:
    (extra,) = announce(result("postprocess", "reused", SCORED), try_number=2, cleared=cleared).values()
    assert extra["status"] == "reused"


def test_an_asset_that_is_no_outlet_is_left_alone(announce: Callable[..., dict[str, Any]]) -> None:
    model = Artifact("model", "s3://lake/demo/models/m1/parameters.yaml", "models/m1/parameters.yaml", "d2")
    assert announce(result("train", "done", model)) == {}


def test_what_steps_of_one_task_make_for_each_other_is_no_inlet(demo: Any) -> None:
    services = {"offline": {"learn": ["train", "evaluate", "promote"]}}
    config = find("demo", {"services": services}).config
    (learn,) = (task for task in tasks(config, "offline") if task.name == "learn")
    ports = assets.ports(learn, "demo")
    assert [asset.name for asset in ports["inlets"]] == ["demo.champion"]
    assert [asset.name for asset in ports["outlets"]] == ["demo.model", "demo.champion"]
