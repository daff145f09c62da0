"""From the table of stages to a DAG: a task for each service, an edge from what writes a thing to what reads it."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, CronTriggerTimetable, TaskGroup

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import Mode
from ml_pipeline.discovery import UseCase, find
from ml_pipeline.errors import UsageError
from ml_pipeline.stages import Task, steps, tasks
from ml_pipeline_airflow.form import form

if TYPE_CHECKING:
    from ml_pipeline_airflow.stage_task import StageTask

RUNNER, RETRIES = "ML_PIPELINE_RUNNER", "ML_PIPELINE_RETRIES"
"""Variables: where stages run (`docker` or `process`), and how often a failed one is tried again."""

NAMES: dict[Mode, str] = {"offline": "offline_training", "online": "online_scoring"}


def build_dag(use_case: str, mode: Mode) -> DAG:
    """The DAG of a use case in a mode. Two calls give the same DAG; nothing is asked of an engine or a store.

    Raises:
        ConfigError: pipeline.yaml is not as it must be.
        UsageError: there is no such use case, or no such runner.
    """
    found = find(use_case)
    config = found.config
    dag = DAG(
        dag_id=f"{use_case}.{NAMES[mode]}",
        description=config.question,
        doc_md=_page(found, mode),
        schedule=_schedule(config, mode),
        start_date=datetime(2000, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        params=form(config, mode),
        tags=["ml-pipeline", use_case, mode],
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


def _stage(task: Task) -> str:
    """What a task does one source's share of; a task of several steps is by itself."""
    return task.steps[0].stage.name if len(task.steps) == 1 else task.name


def _schedule(config: UseCaseConfig, mode: Mode) -> CronTriggerTimetable | None:
    cron = config.schedule.offline if mode == "offline" else config.schedule.online
    return CronTriggerTimetable(cron, timezone=config.timezone) if cron else None


def _page(use_case: UseCase, mode: Mode) -> str:
    """What a person reads above the graph."""
    config, other = use_case.config, _other(use_case.config, mode)
    return f"""\
### {config.question}

Predicts `{config.label}` for every `{config.key}`, `{config.horizon}` before `{config.time}`.

{_chain(config, mode)}

The other DAG is [{other}](/dags/{other}). All of it is said in `{use_case.folder.name}/pipeline.yaml`;
`ml-pipeline graph {config.name}` draws every level.
"""


def _chain(config: UseCaseConfig, mode: Mode) -> str:
    """The stages in their order, with what each does; Airflow's own graph beside it shows the edges."""
    stages = dict.fromkeys(step.stage for step in steps(config, mode))
    lines = [f"- **{stage.name}**: {stage.does}" for stage in stages]
    return "\n".join([" → ".join(stage.name for stage in stages), "", *lines])


def _other(config: UseCaseConfig, mode: Mode) -> str:
    return f"{config.name}.{NAMES['online' if mode == 'offline' else 'offline']}"
