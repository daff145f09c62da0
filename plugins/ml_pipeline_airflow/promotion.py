"""What Airflow adds to a promotion: the asset that it is an event of, and the runs that do without."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.asset import Model
from airflow.sdk.exceptions import AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ml_pipeline.contract import StageRequest, StageResult
    from ml_pipeline_airflow.stage_task import Order, StageTask

STAGE, ENTRY = "promote", "promotion"
"""The stage that promotes, and the name of what it leaves: an entry of the promotion log."""

ON_PROMOTION = "promotion"
"""In pipeline.yaml in place of a cron expression: the online DAG runs whenever a model is promoted."""

APPROVE = "approve"
"""The task in which a person agrees to a promotion."""

HELD_BACK = "A backfill trains models and leaves the champion alone, unless its parameter promote is true."


def champion(use_case: str) -> Model:
    """The asset of a use case: each event is a promotion, and its extra says of which model."""
    return Model(name=f"{use_case}.champion", uri=f"ml-pipeline://{use_case}/champion")


def held_back(context: Context) -> bool:
    """Whether this run leaves the champion alone, however good its model is."""
    return context["dag_run"].run_type == "backfill" and not context["params"]["promote"]


def steps_now(steps: Sequence[str], context: Context) -> tuple[str, ...]:
    """The steps of a task that are to run in this run.

    Raises:
        AirflowSkipException: there is none.
    """
    if STAGE not in steps or not held_back(context):
        return tuple(steps)
    left = tuple(step for step in steps if step != STAGE)
    if not left:
        raise AirflowSkipException(HELD_BACK)
    return left


def consent(task: StageTask, context: Context) -> dict[str, str]:
    """Who agreed to the promotion (`approved_by`), and the `reason`; empty where nobody was asked."""
    if APPROVE not in task.upstream_task_ids:
        return {}
    return context["ti"].xcom_pull(task_ids=APPROVE) or {}


def announce(task: StageTask, order: Order, results: Sequence[StageResult]) -> None:
    """Make the promotion, if there was one, an event of the asset.

    Airflow itself makes one for each outlet of a task that succeeds, so without a promotion the outlet must go: `task`
    is the copy that Airflow made for this execution.
    """
    for result in results:
        entry = _entry(order.request, result)
        if entry and (result.status == "done" or _broke_off(order, entry)):
            events = order.context["outlet_events"]
            events[champion(order.request.use_case)].extra = _extra(order.request, result, entry)
            return
    task.outlets = []


def _entry(request: StageRequest, result: StageResult) -> dict[str, Any] | None:
    """The entry of the promotion log that a stage names."""
    from ml_pipeline.artifacts import plain_yaml
    from ml_pipeline.artifacts.store import Store

    for artifact in result.artifacts:
        if artifact.name == ENTRY:
            content = Store(request.store).within(request.use_case).get(artifact.key)
            found: dict[str, Any] = plain_yaml.load(content, artifact.uri)
            return found
    return None


def _broke_off(order: Order, entry: dict[str, Any]) -> bool:
    """Whether an earlier try wrote the entry and came no further; a task that is cleared had been told of before."""
    again = order.context["ti"].try_number > 1 and not order.context["dag_run"].clear_number
    return again and entry["run"] == order.request.run_id


def _extra(request: StageRequest, result: StageResult, entry: dict[str, Any]) -> dict[str, Any]:
    from ml_pipeline.artifacts.registry import Registry
    from ml_pipeline.artifacts.store import Store

    found = Registry(Store(request.store).within(request.use_case)).metrics(entry["to"])["metrics"]
    return {
        "model_version": entry["to"],
        "previous": entry["previous"],
        # JSON has no word for what cannot be measured.
        "metrics": {name: own["value"] for name, own in found.items() if math.isfinite(own["value"])},
        "as_of": request.as_of.isoformat(),
        "run_id": request.run_id,
        "synthetic": list(result.synthetic),
    }
