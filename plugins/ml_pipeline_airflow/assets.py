"""Assets of a use case that DAGs can be scheduled on: its models, its champion, its scored table, requests to train."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.sdk.definitions.asset import Model

from ml_pipeline.stages import PROMOTION
from ml_pipeline_airflow import promotion

if TYPE_CHECKING:
    from ml_pipeline.contract import Artifact, StageResult
    from ml_pipeline.stages import Task
    from ml_pipeline_airflow.stage_task import Order, StageTask

JUDGES_BY_CHAMPION, PREDICTS_WITH_CHAMPION, STARTS_FROM_CHAMPION = "evaluate", "serve", "start"
"""Stages that read the champion though no stage of their run writes it, and the name under which learning has it."""


def model(use_case: str) -> Model:
    """Each event is a model that was trained, whatever the verdict on it will be."""
    return Model(name=f"{use_case}.model", uri=f"ml-pipeline://{use_case}/model")


def scored(use_case: str) -> Asset:
    """Each event is a table of scored records."""
    return Asset(name=f"{use_case}.scored", uri=f"ml-pipeline://{use_case}/scored")


def retrain(use_case: str) -> Asset:
    """Each event is a request of monitoring to train: offline training that runs at times follows it."""
    return Asset(name=f"{use_case}.retrain", uri=f"ml-pipeline://{use_case}/retrain")


ASSETS: dict[str, Callable[[str], Asset]] = {
    "model": model,
    PROMOTION: promotion.champion,
    "scored": scored,
    "retrain": retrain,
}
"""What a stage leaves -> the asset of which that is an event. What is interim, and may stay in memory, has none."""


def ports(task: Task, use_case: str) -> dict[str, list[Asset]]:
    """The `inlets` and `outlets` of a task; what one of its steps makes for another is no inlet."""
    writes = {name for step in task.steps for name in step.writes}
    reads = {name for step in task.steps for name in step.reads} - writes
    if any(map(_uses_champion, task.steps)):
        reads.add(PROMOTION)
    return {
        "inlets": [asset(use_case) for name, asset in ASSETS.items() if name in reads],
        "outlets": [asset(use_case) for name, asset in ASSETS.items() if name in writes],
    }


def _uses_champion(step: Any) -> bool:
    kinds = {name.partition(".")[0] for name in (*step.reads, *step.writes)}
    return step.stage.name in (JUDGES_BY_CHAMPION, PREDICTS_WITH_CHAMPION) or STARTS_FROM_CHAMPION in kinds


def announce(task: StageTask, order: Order, results: Sequence[StageResult]) -> None:
    """Make what was stored in this run events of its assets.

    Airflow itself makes one for each outlet of a task that succeeds, so the outlets of which there is nothing new must
    go: `task` is the copy that Airflow made for this execution.
    """
    told = {ASSETS[name](order.request.use_case): extra for name, extra in _events(order, results)}
    task.outlets = [asset for asset in task.outlets if asset in told]
    for asset in task.outlets:
        order.context["outlet_events"][asset].extra = told[asset]


def _events(order: Order, results: Sequence[StageResult]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was found stored is old, and nobody is to work for it; unless an earlier try stored it and told nobody.

    Whether it told cannot be known, so what a later try finds is told: rather twice than never.
    """
    again = order.context["ti"].try_number > 1
    for result in results:
        for artifact in result.artifacts:
            if artifact.name not in ASSETS or not (result.status == "done" or again):
                continue
            tell = promotion.event if artifact.name == PROMOTION else _event
            if extra := tell(order, result, artifact):
                yield artifact.name, extra


def _event(order: Order, result: StageResult, artifact: Artifact) -> dict[str, Any]:
    return {
        "uri": artifact.uri,
        "digest": artifact.digest,
        "rows": artifact.rows,
        "model_version": result.model_version,
        "as_of": order.request.as_of.isoformat(),
        "run_id": order.request.run_id,
        "status": result.status,
        "synthetic": list(result.synthetic),
    }
