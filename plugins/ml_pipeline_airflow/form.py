"""The form in which a person asks for a run: as of when, what to do again, with which changes to pipeline.yaml."""

from __future__ import annotations

from airflow.sdk import Param

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import Mode
from ml_pipeline.stages import promotes, steps

_DATE = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
AS_OF = rf"^{_DATE}([T ]{_TIME}(Z|[+-]\d{{2}}:\d{{2}})?)?$"
"""ISO 8601. A pattern, because JSON Schema's `date-time` is checked only where an optional package is installed."""


def form(config: UseCaseConfig, mode: Mode) -> dict[str, Param]:
    """The parameters of a DAG, checked by Airflow before a run begins."""
    names = _names(config, mode)
    fields = {
        "as_of": Param(
            None,
            type=["null", "string"],
            pattern=AS_OF,
            title="As of",
            description=f"The moment to pretend it is, such as 2013-09-01 or 2013-09-01T06:00:00Z; "
            f"without an offset in {config.timezone}. Empty: the run's own moment.",
        ),
        "force": Param(
            [],
            type="array",
            items={"type": "string", "enum": names},
            uniqueItems=True,
            examples=names,
            title="Do again",
            description="Stages that run even though the same work is stored already.",
        ),
        "parameters": Param(
            {},
            type="object",
            title="Changes to pipeline.yaml",
            description='Dotted keys and their values, for this run only: {"split.test": "122d"}.',
        ),
    }
    return fields | ({"promote": _promote()} if promotes(mode) else {})


def _promote() -> Param:
    return Param(
        False,
        type="boolean",
        title="Promote in a backfill too",
        description="A backfill leaves the champion alone unless this is on. Other runs promote as pipeline.yaml says.",
    )


def _names(config: UseCaseConfig, mode: Mode) -> list[str]:
    """Every stage, and every step of those that have one for each source."""
    found = [name for step in steps(config, mode) for name in (step.stage.name, step.name)]
    return list(dict.fromkeys(found))
