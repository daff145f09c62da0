"""From the table of stages to a DAG: a task for each service, an edge from what writes a thing to what reads it."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, CronTriggerTimetable, TaskGroup

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import MODES, Mode
from ml_pipeline.discovery import UseCase, find, names
from ml_pipeline.errors import PipelineError, UsageError
from ml_pipeline.stages import Task, promotes, tasks
from ml_pipeline_airflow.broken import broken_dag
from ml_pipeline_airflow.form import form
from ml_pipeline_airflow.page import page
from ml_pipeline_airflow.promotion import ON_PROMOTION, STAGE, champion

if TYPE_CHECKING:
    from ml_pipeline_airflow.stage_task import StageTask

RUNNER, RETRIES = "ML_PIPELINE_RUNNER", "ML_PIPELINE_RETRIES"
"""Variables: where stages run (`docker` or `process`), and how often a failed one is tried again."""

NAMES: dict[Mode, str] = {
    "offline": "offline_training",
    "online": "online_scoring",
    "learning": "online_learning",
    "monitoring": "monitoring",
}


def build_dags(mode: Mode) -> dict[str, DAG]:
    """The DAG of every use case that has a mode; one that cannot be built says why in its place, and hides no other."""
    built = {use_case: _build_or_say(use_case, mode) for use_case in names()}
    return {use_case: dag for use_case, dag in built.items() if dag}


def _build_or_say(use_case: str, mode: Mode) -> DAG | None:
    """None where the use case does not have the mode, or nobody can tell whether it has: other DAGs say why."""
    try:
        found = find(use_case)
        return _dag(found, mode) if mode in found.config.modes else None
    except PipelineError as error:
        if mode not in MODES:
            return None
        return broken_dag(f"{use_case}.{NAMES[mode]}", f"{type(error).__name__}: {error}", [use_case, mode])


def build_dag(use_case: str, mode: Mode) -> DAG:
    """The DAG of a use case in a mode. Two calls give the same DAG; nothing is asked of an engine or a store.

    Raises:
        ConfigError: pipeline.yaml is not as it must be.
        UsageError: there is no such use case, or no such runner.
    """
    return _dag(find(use_case), mode)


def _dag(found: UseCase, mode: Mode) -> DAG:
    config = found.config
    own, *others = (f"{config.name}.{NAMES[named]}" for named in sorted(config.modes, key=lambda other: other != mode))
    dag = DAG(
        dag_id=own,
        description=config.question,
        doc_md=page(found, mode, own, others),
        schedule=_schedule(config, mode),
        start_date=datetime(2000, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        params=form(config, mode),
        tags=["ml-pipeline", config.name, mode],
        default_args={
            "retries": int(os.environ.get(RETRIES) or 1),
            "retry_delay": timedelta(seconds=10),
            "retry_exponential_backoff": 2,
        },
    )
    with dag:
        _connect(tasks(config, mode), config, mode)
    return dag


def operator(task: Task, config: UseCaseConfig, mode: Mode, task_group: TaskGroup | None = None) -> StageTask:
    """One task of the graph as an Airflow operator of the runner that the environment chooses."""
    common: dict[str, Any] = {
        "task_group": task_group,
        "task_id": task.name,
        "use_case": config.name,
        "mode": mode,
        "stages": [step.name for step in task.steps],
        "outlets": [champion(config.name)] if _runs(task, STAGE) else [],
        "doc_md": "\n\n".join(dict.fromkeys(f"**{step.stage.name}**: {step.stage.does}" for step in task.steps)),
    }
    if runner() == "process":
        from ml_pipeline_airflow.process_operator import ProcessStageOperator

        return ProcessStageOperator(**common)
    from ml_pipeline_airflow.stage_operator import StageOperator

    return StageOperator(image=task.image, **common)


def runner() -> str:
    """Where stages run.

    Raises:
        UsageError: the environment names something else.
    """
    name = os.environ.get(RUNNER) or "docker"
    if name not in ("docker", "process"):
        raise UsageError(f"{RUNNER} names no runner", given=name, expected="docker or process", do="correct it")
    return name


def _connect(all_tasks: tuple[Task, ...], config: UseCaseConfig, mode: Mode) -> None:
    """Make the operators, those of a stage with several sources in a group of its name, and the edges between them."""
    sizes = Counter(_stage(task) for task in all_tasks)
    groups = {name: TaskGroup(name, prefix_group_id=False) for name, size in sizes.items() if size > 1}
    made = {task.name: operator(task, config, mode, task_group=groups.get(_stage(task))) for task in all_tasks}
    for task in all_tasks:
        for need in task.needs:
            made[need] >> made[task.name]
    if promotes(mode) and config.promotion.policy == "manual":
        _ask(all_tasks, made, config, mode)


def _ask(all_tasks: tuple[Task, ...], made: dict[str, StageTask], config: UseCaseConfig, mode: Mode) -> None:
    """Put the question to a person between the verdict and the promotion."""
    from ml_pipeline_airflow.approval import approve

    verdict, promotion = (next(task.name for task in all_tasks if _runs(task, name)) for name in ("evaluate", STAGE))
    made[verdict] >> approve(config.name, mode) >> made[promotion]


def _runs(task: Task, stage: str) -> bool:
    return any(step.stage.name == stage for step in task.steps)


def _stage(task: Task) -> str:
    """What a task does one source's share of; a task of several steps is by itself."""
    return task.steps[0].stage.name if len(task.steps) == 1 else task.name


def _schedule(config: UseCaseConfig, mode: Mode) -> CronTriggerTimetable | list[Asset] | None:
    when = config.schedule.of(mode)
    if mode == "online" and when == ON_PROMOTION:
        return [champion(config.name)]
    return CronTriggerTimetable(when, timezone=config.timezone) if when else None
