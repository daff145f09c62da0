"""The last runs of a use case, from Airflow's own database: of thousands only those that are shown are read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import select

from ml_pipeline.contract import Mode
from ml_pipeline_airflow.builder import NAMES


class Run(NamedTuple):
    """A run of one of the use case's DAGs."""

    mode: Mode
    run_id: str
    state: str
    after: dt.datetime
    seconds: float | None


def dag_of(use_case: str, mode: Mode = "offline") -> str:
    """The DAG of a mode; the permissions on that of `offline` are those on the use case's models."""
    return f"{use_case}.{NAMES[mode]}"


def last_runs(use_case: str, mode: Mode, most: int) -> list[Run]:
    """The newest first."""
    columns = (DagRun.run_id, DagRun.state, DagRun.run_after, DagRun.start_date, DagRun.end_date)
    query = select(*columns).where(DagRun.dag_id == dag_of(use_case, mode)).order_by(DagRun.id.desc()).limit(most)
    with create_session(scoped=False) as session:
        return [
            Run(mode, run_id, str(state), after, (end - start).total_seconds() if start and end else None)
            for run_id, state, after, start, end in session.execute(query)
        ]


def newest_of(use_case: str, modes: Sequence[Mode], most: int) -> list[Run]:
    """Of several modes together, the newest first."""
    found = [run for mode in modes for run in last_runs(use_case, mode, most)]
    return sorted(found, key=lambda run: run.after, reverse=True)[:most]
