"""From the table of stages to a DAG: a task for each service, an edge for each thing that one writes and another reads."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, CronTriggerTimetable, TaskGroup

from ml_pipeline.config import UseCase, UseCaseConfig, find
from ml_pipeline.contract import Mode
from ml_pipeline.errors import UsageError
from ml_pipeline.stages import Task, tasks
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
            "retry_exponential_backoff": True,
        },
    )
    with dag:
        _connect(tasks(config, mode), config, mode)
    return dag


def operator(task: Task, config: UseCaseConfig, mode: Mode, **place: Any) -> StageTask:
    """One task of the graph as an Airflow operator of the runner that the environment chooses."""
    common = {
        "task_id": task.name,
        "use_case": config.name,
        "mode": mode,
        "stages": [step.name for step in task.steps],
        "doc_md": "\n\n".join(dict.fromkeys(f"**{step.stage.name}**: {step.stage.does}" for step in task.steps)),
        **place,
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
        raise UsageError(f"{RUNNER} names no runner", given=name, expected="docker or process", do="correct or unset it")
    return name


def _connect(all_tasks: tuple[Task, ...], config: UseCaseConfig, mode: Mode) -> None:
    """Make the operators, those of a stage with several sources in a group of its name, and the edges between them."""
    sizes = Counter(group for task in all_tasks if (group := _group(task)))
    groups = {name: TaskGroup(name, prefix_group_id=False) for name, size in sizes.items() if size > 1}
    made = {
        task.name: operator(task, config, mode, **({"task_group": group} if (group := groups.get(_group(task))) else {}))
        for task in all_tasks
    }
    for task in all_tasks:
        for need in task.needs:
            made[need] >> made[task.name]


def _group(task: Task) -> str:
    """The stage of a task that does one source's share of it."""
    return task.steps[0].stage.name if len(task.steps) == 1 and task.steps[0].source else ""


def _schedule(config: UseCaseConfig, mode: Mode) -> CronTriggerTimetable | None:
    cron = config.schedule.offline if mode == "offline" else config.schedule.online
    return CronTriggerTimetable(cron, timezone=config.timezone) if cron else None


def _page(use_case: UseCase, mode: Mode) -> str:
    """What a person reads above the graph."""
    config = use_case.config
    return "\n\n".join(
        [
            f"### {config.question}",
            f"Predicts `{config.label}` for every `{config.key}`, `{config.horizon}` before `{config.time}`."
            if config.horizon
            else "",
            f"```mermaid\n{_drawing(use_case, mode)}\n```",
            f"The other DAG: [{_other(config, mode)}](/dags/{_other(config, mode)})."
            f" Written in `{Path(use_case.folder.name) / 'pipeline.yaml'}`;"
            f" `ml-pipeline graph {config.name}` draws every level.",
        ]
    )


def _drawing(use_case: UseCase, mode: Mode) -> str:
    edges = [f"    {need} --> {task.name}" for task in tasks(use_case.config, mode) for need in task.needs]
    return "\n".join(["flowchart LR", *edges])


def _other(config: UseCaseConfig, mode: Mode) -> str:
    return f"{config.name}.{NAMES['online' if mode == 'offline' else 'offline']}"
