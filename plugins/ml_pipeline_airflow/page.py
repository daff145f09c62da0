"""What a person reads above the graph of a DAG."""

from __future__ import annotations

from collections.abc import Sequence

from ml_pipeline.config import Monitoring, UseCaseConfig
from ml_pipeline.contract import Mode
from ml_pipeline.discovery import UseCase
from ml_pipeline.stages import steps
from ml_pipeline_airflow.promotion import ON_PROMOTION


def page(use_case: UseCase, mode: Mode, dag: str, others: Sequence[str]) -> str:
    """The question, the chain, what a promotion does, and where the rest is said; `others`: DAGs of the other modes."""
    config = use_case.config
    return f"""\
### {config.question}

Predicts `{config.label}` for every `{config.key}`, `{config.horizon}` before `{config.time}`.

{_chain(config, mode)}

{_of_mode(config, mode, dag)}

{_links(others)} All of it is said in `{use_case.folder.name}/pipeline.yaml`;
`ml-pipeline graph {config.name}` draws every level.
"""


def _chain(config: UseCaseConfig, mode: Mode) -> str:
    """The stages in their order, with what each does; Airflow's own graph beside it shows the edges."""
    stages = dict.fromkeys(step.stage for step in steps(config, mode))
    lines = [f"- **{stage.name}**: {stage.does}" for stage in stages]
    return "\n".join([" → ".join(stage.name for stage in stages), "", *lines])


def _links(others: Sequence[str]) -> str:
    links = " and ".join(f"[{other}](/dags/{other})" for other in others)
    return f"The other DAG is {links}." if len(others) == 1 else f"The other DAGs are {links}."


def _of_mode(config: UseCaseConfig, mode: Mode, dag: str) -> str:
    asked = "A person is asked before, in the task `approve`. " if config.promotion.policy == "manual" else ""
    if mode == "learning":
        return _learning(config, asked)
    if mode == "monitoring":
        return _monitoring(config)
    return _offline(dag, asked) if mode == "offline" else _online(config)


def _learning(config: UseCaseConfig, asked: str) -> str:
    test = config.learning.test if config.learning else ""
    return f"""\
It goes on from the champion with the rows whose label became known since; {test} of the keys judge both. A verdict that
passes makes the new model champion. {asked}"""


def _monitoring(config: UseCaseConfig) -> str:
    settings = config.monitoring or Monitoring()
    back = "goes back to it by itself" if settings.rollback == "automatic" else "proposes to go back to it"
    asked = ", ".join(f"`{name}` (from {least} on)" for name, least in settings.notify.items())
    told = f" Told of it, and of a failure: {asked}." if asked else ""
    return f"""\
It looks again at what was predicted within `{settings.window}`, as truth comes late: how much is known of it,
what its models' predictions turned out to be worth, and whether to act. Where the model before the champion does better
on the same rows, it {back}. `monitor` says it in its log and in its result.{told}"""


def _offline(dag: str, asked: str) -> str:
    return f"""\
A verdict that passes makes the model champion. {asked}A model for each day of the past, without a promotion:
`airflow backfill create --dag-id {dag} --from-date 2024-01-01 --to-date 2024-01-31`. With
`--dag-run-conf '{{"promote": true}}' --max-active-runs 1` each of them may become champion, one after the other."""


def _online(config: UseCaseConfig) -> str:
    when = "whenever a model is promoted" if config.schedule.online == ON_PROMOTION else "as scheduled"
    return f"It runs {when}, and predicts with the champion."
