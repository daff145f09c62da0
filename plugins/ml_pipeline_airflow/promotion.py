"""What Airflow adds to a promotion: the asset that it is an event of, and the runs that do without."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.asset import Model
from airflow.sdk.exceptions import AirflowSkipException

from ml_pipeline.stages import PROMOTE

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ml_pipeline.artifacts.registry import Registry
    from ml_pipeline.contract import Artifact, StageRequest, StageResult
    from ml_pipeline_airflow.stage_task import Order, StageTask

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


def restrained(mode: str, context: Context) -> dict[str, str]:
    """Changes to pipeline.yaml by which a backfill of monitoring leaves the champion alone."""
    held = mode == "monitoring" and context["dag_run"].run_type == "backfill"
    return {"monitoring.rollback": "propose"} if held else {}


def steps_now(steps: Sequence[str], context: Context) -> tuple[str, ...]:
    """The steps of a task that are to run in this run.

    Raises:
        AirflowSkipException: there is none.
    """
    if PROMOTE not in steps or not held_back(context):
        return tuple(steps)
    left = tuple(step for step in steps if step != PROMOTE)
    if not left:
        raise AirflowSkipException(HELD_BACK)
    return left


def consent(task: StageTask, context: Context) -> dict[str, str]:
    """Who agreed to the promotion (`approved_by`), and the `reason`; empty where nobody was asked."""
    if APPROVE not in task.upstream_task_ids:
        return {}
    return context["ti"].xcom_pull(task_ids=APPROVE) or {}


def event(order: Order, result: StageResult, artifact: Artifact) -> dict[str, Any] | None:
    """What the event of a promotion says; none where it was told of: by an earlier run, or before a person cleared."""
    from ml_pipeline.artifacts import plain_yaml
    from ml_pipeline.artifacts.store import Store

    content = Store(order.request.store).within(order.request.use_case).get(artifact.key)
    entry: dict[str, Any] = plain_yaml.load(content, artifact.uri)
    old = order.context["dag_run"].clear_number or entry["run"] != order.request.run_id
    if result.status != "done" and old:
        return None
    return _extra(order.request, result, entry)


def _extra(request: StageRequest, result: StageResult, entry: dict[str, Any]) -> dict[str, Any]:
    from ml_pipeline.artifacts.registry import Registry
    from ml_pipeline.artifacts.store import Store

    own = said(Registry(Store(request.store).within(request.use_case)), entry, result.synthetic)
    return {**own, "as_of": request.as_of.isoformat(), "run_id": request.run_id}


def said(registry: Registry, entry: Mapping[str, Any], synthetic: Sequence[str]) -> dict[str, Any]:
    """What the event of an entry of the promotion log says, whoever made the entry."""
    found = registry.metrics(entry["to"])["metrics"]
    return {
        "model_version": entry["to"],
        "previous": entry["previous"],
        # JSON has no word for what cannot be measured.
        "metrics": {name: own["value"] for name, own in found.items() if math.isfinite(own["value"])},
        "as_of": entry["as_of"],
        "run_id": entry["run"],
        "synthetic": list(synthetic),
    }
