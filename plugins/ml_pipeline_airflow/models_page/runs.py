"""The last runs of a use case, from Airflow's own database: of thousands only those that are shown are read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.sdk.bases.xcom import BaseXCom
from airflow.utils.session import create_session
from sqlalchemy import select

from ml_pipeline.contract import Mode
from ml_pipeline.errors import NotFoundError
from ml_pipeline_airflow.builder import NAMES

COLUMNS = (DagRun.run_id, DagRun.state, DagRun.run_after, DagRun.start_date, DagRun.end_date)


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


def of_dag(dag: str) -> tuple[str, Mode]:
    """The use case and the mode that a DAG is of.

    Raises:
        NotFoundError: it is of none.
    """
    use_case, _, own = dag.rpartition(".")
    for mode, word in NAMES.items():
        if word == own:
            return use_case, mode
    raise NotFoundError("the DAG is of no use case, so its runs make no model", given=dag)


def last_runs(use_case: str, mode: Mode, most: int) -> list[Run]:
    """The newest first, by when they were due: a backfill of last month is not the present."""
    of_mode = select(*COLUMNS).where(DagRun.dag_id == dag_of(use_case, mode))
    query = of_mode.order_by(DagRun.run_after.desc(), DagRun.id.desc()).limit(most)
    with create_session(scoped=False) as session:
        return [_run(mode, found) for found in session.execute(query)]


def one_run(use_case: str, mode: Mode, run_id: str) -> Run:
    """A run by its name.

    Raises:
        NotFoundError: there is none.
    """
    query = select(*COLUMNS).where(DagRun.dag_id == dag_of(use_case, mode), DagRun.run_id == run_id)
    with create_session(scoped=False) as session:
        found = session.execute(query).first()
    if found is None:
        raise NotFoundError("there is no such run", given=f"{run_id} of {dag_of(use_case, mode)}")
    return _run(mode, found)


def summaries(use_case: str, mode: Mode, run_id: str) -> dict[str, dict[str, Any]]:
    """Task -> what its stages did, in the order in which they ended; those alone that have ended well."""
    own = (XComModel.dag_id == dag_of(use_case, mode), XComModel.run_id == run_id)
    query = select(XComModel.task_id, XComModel.value).where(*own, XComModel.key == BaseXCom.XCOM_RETURN_KEY)
    with create_session(scoped=False) as session:
        found = session.execute(query.order_by(XComModel.timestamp)).all()
    told = {row.task_id: XComModel.deserialize_value(row) for row in found}
    return {task: own for task, own in told.items() if isinstance(own, dict) and "steps" in own}


def newest_of(use_case: str, modes: Sequence[Mode], most: int) -> list[Run]:
    """Of several modes together, the newest first."""
    found = [run for mode in modes for run in last_runs(use_case, mode, most)]
    return sorted(found, key=lambda run: run.after, reverse=True)[:most]


def _run(mode: Mode, own: Any) -> Run:
    seconds = (own.end_date - own.start_date).total_seconds() if own.start_date and own.end_date else None
    return Run(mode, own.run_id, str(own.state), own.run_after, seconds)
