"""From the table of stages to a DAG: a task for each service, an edge from what writes a thing to what reads it."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable, TaskGroup

from ml_pipeline.config import Runner, UseCaseConfig
from ml_pipeline.contract import MODES, Mode
from ml_pipeline.discovery import UseCase, find, names
from ml_pipeline.errors import PipelineError, UsageError
from ml_pipeline.stages import PROMOTE, Task, promotes, tasks
from ml_pipeline_airflow.assets import ports, retrain
from ml_pipeline_airflow.broken import broken_dag
from ml_pipeline_airflow.form import form
from ml_pipeline_airflow.notices import callbacks
from ml_pipeline_airflow.page import page
from ml_pipeline_airflow.promotion import ON_PROMOTION, champion

if TYPE_CHECKING:
    from ml_pipeline_airflow.stage_task import StageTask

RUNNER, RETRIES = "ML_PIPELINE_RUNNER", "ML_PIPELINE_RETRIES"
"""Variables: what runs the stages of all use cases, whatever they ask for; how often a failed stage is tried again."""

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
    """One task of the graph as an operator of the runner that the environment names, or pipeline.yaml."""
    common: dict[str, Any] = {
        "task_group": task_group,
        "task_id": task.name,
        "use_case": config.name,
        "mode": mode,
        "stages": [step.name for step in task.steps],
        **ports(task, config.name),
        **(callbacks(task, config) if mode == "monitoring" else {}),
        "doc_md": "\n\n".join(dict.fromkeys(f"**{step.stage.name}**: {step.stage.does}" for step in task.steps)),
    }
    named = runner(config)
    if named != "process":
        common["image"] = task.image
    return _operator_of(named)(**common)


def runner(config: UseCaseConfig) -> Runner:
    """What runs a use case's stages: what the environment names, so that one machine can run them all; else its own.

    Raises:
        UsageError: the environment names something else.
    """
    return named_runner() or config.runner


def named_runner() -> Runner | None:
    """The runner that the environment names.

    Raises:
        UsageError: it is none.
    """
    name, known = os.environ.get(RUNNER), get_args(Runner)
    if name and name not in known:
        expected = f"{', '.join(known[:-1])} or {known[-1]}"
        raise UsageError(f"{RUNNER} names no runner", given=name, expected=expected, do="correct it")
    return next((one for one in known if one == name), None)


def _operator_of(name: Runner) -> type[StageTask]:
    """Each is imported only where it is asked for: what it brings with it takes seconds.

    Raises:
        UsageError: its package is not installed.
    """
    if name == "process":
        from ml_pipeline_airflow.process_operator import ProcessStageOperator

        return ProcessStageOperator
    if name == "swarm":
        from ml_pipeline_airflow.swarm_operator import SwarmStageOperator

        return SwarmStageOperator
    if name == "kubernetes":
        return _pod_operator()
    from ml_pipeline_airflow.stage_operator import StageOperator

    return StageOperator


def _pod_operator() -> type[StageTask]:
    try:
        from ml_pipeline_airflow.pod_operator import PodStageOperator
    except ModuleNotFoundError as error:
        raise UsageError(
            "the runner kubernetes needs a package that is not installed",
            given=error.name or "",
            expected="apache-airflow-providers-cncf-kubernetes where Airflow runs",
            do="install ml-pipeline[kubernetes]",
        ) from error
    return PodStageOperator


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

    verdict, promotion = (next(task.name for task in all_tasks if _runs(task, name)) for name in ("evaluate", PROMOTE))
    made[verdict] >> approve(config.name, mode) >> made[promotion]


def _runs(task: Task, stage: str) -> bool:
    return any(step.stage.name == stage for step in task.steps)


def _stage(task: Task) -> str:
    """What a task does one source's share of; a task of several steps is by itself."""
    return task.steps[0].stage.name if len(task.steps) == 1 else task.name


def _schedule(config: UseCaseConfig, mode: Mode) -> AssetOrTimeSchedule | CronTriggerTimetable | list[Asset] | None:
    """Training that runs at times also runs when monitoring asks for it."""
    when = config.schedule.of(mode)
    if not when:
        return None
    if mode == "online" and when == ON_PROMOTION:
        return [champion(config.name)]
    times = CronTriggerTimetable(when, timezone=config.timezone)
    asked = mode == "offline" and config.monitoring
    return AssetOrTimeSchedule(timetable=times, assets=[retrain(config.name)]) if asked else times
