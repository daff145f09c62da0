"""Sweeping up: what tasks and workers have left on an engine and is of no use to anybody any more."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from docker.errors import NotFound

from ml_pipeline_airflow import mounts, request
from ml_pipeline_airflow.attach import keeping
from ml_pipeline_airflow.container import remove
from ml_pipeline_airflow.docker_client import Limits, StageHook
from ml_pipeline_airflow.identity import DAG, RUN, SECRETS, STORE, TRY

IsOver = Callable[[str, str], bool | None]
"""Whether a run of a DAG (both by id) is over; None where that is not known."""

OVER = ("success", "failed")
"""States of a run in which none of its tasks runs any more."""

READ = dt.timedelta(seconds=30)
"""Within this time of its end a worker has read what a container left, however short it is to be kept."""

YOUNG = 3600.0
"""Seconds for which credentials without a container may be those of one that is just being made."""


class Found(NamedTuple):
    """A container: its name, whose it is, and what is to be said of it."""

    name: str
    dag: str
    run: str
    says: str


class Swept(NamedTuple):
    """What was removed, what belongs to a run that is over (orphans), and copies of credentials that were removed."""

    removed: list[Found]
    orphans: list[Found]
    credentials: int


def sweep_here(is_over: IsOver, store: str = "", *, orphans: bool = False) -> Swept:
    """Sweep the engine that this machine's stages run on, for the store that is named, or that the environment names.

    Raises:
        StageError: it does not answer.
        UsageError: no store is named, or the time to keep containers for is none.
    """
    own = request.store_uri(store)
    url = os.environ.get("DOCKER_HOST") or "unix://var/run/docker.sock"
    with closing(StageHook(Limits(0, 0), base_url=url).api_client) as client:
        return sweep(client, own, is_over, orphans=orphans)


def sweep(client: Any, store: str, is_over: IsOver, *, orphans: bool = False) -> Swept:
    """Remove containers of a store's stages that ended longer ago than they are kept for; report orphans.

    Args:
        client: of the engine.
        store: URI; containers of other stores may be another Airflow's.
        is_over: asked of each run.
        orphans: remove them too.
    """
    listed = client.containers(all=True, filters={"label": f"{STORE}={store}"})
    there = list(filter(None, (_inspected(client, one["Id"]) for one in listed)))
    now = dt.datetime.now(dt.UTC)
    past = [one for one in there if (ended := _ended(one)) and now - ended >= max(keeping(), READ)]
    alone = [one for one in there if one not in past and _is_wanted_by_a_run(one) and is_over(*_run(one))]
    gone, reported = ([*past, *alone], []) if orphans else (past, alone)
    for one in gone:
        remove(client, one["Id"], _labels(one))
    return Swept(list(map(_told, gone)), list(map(_told, reported)), _forget_credentials(there))


def known_to_airflow(dag: str, run: str) -> bool | None:
    """Whether a run is over, by Airflow's own database; None where this machine has none, or the run is not in it."""
    if not {"AIRFLOW_HOME", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"} & os.environ.keys():
        return None
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with create_session() as session:
            state = session.scalar(select(DagRun.state).where(DagRun.dag_id == dag, DagRun.run_id == run))
    except SQLAlchemyError:
        return None
    return str(state) in OVER if state else None


def _inspected(client: Any, container: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = client.inspect_container(container)
    except NotFound:  # gone since it was listed
        return None
    return found


def _ended(found: Mapping[str, Any]) -> dt.datetime | None:
    """When it did; when it was made, where it never started; None while it runs."""
    state = found["State"]
    if state["Running"]:
        return None
    at = found["Created"] if state["Status"] == "created" else state["FinishedAt"]
    return dt.datetime.fromisoformat(f"{at[:19]}+00:00")


def _is_wanted_by_a_run(found: Mapping[str, Any]) -> bool:
    """Whether a next try would take it over: it runs, or has ended well."""
    return bool(found["State"]["Running"] or not found["State"]["ExitCode"])


def _labels(found: Mapping[str, Any]) -> Mapping[str, str]:
    labels: Mapping[str, str] = found["Config"]["Labels"]
    return labels


def _run(found: Mapping[str, Any]) -> tuple[str, str]:
    return _labels(found)[DAG], _labels(found)[RUN]


def _told(found: Mapping[str, Any]) -> Found:
    state = found["State"]
    how = "runs" if state["Running"] else f"ended with exit code {state['ExitCode']}"
    return Found(found["Name"].removeprefix("/"), *_run(found), f"try {_labels(found)[TRY]} {how}")


def _forget_credentials(there: Iterable[Mapping[str, Any]]) -> int:
    """Copies of credentials on this machine whose container is gone, or was never made.

    One of another store's that still runs would lose nothing: what is mounted stays there to be read.
    """
    used = {_labels(one).get(SECRETS) for one in there if one["State"]["Running"]}
    left = [folder for folder in mounts.copies() if str(folder) not in used and _is_old(folder)]
    for folder in left:
        mounts.forget(str(folder))
    return len(left)


def _is_old(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime >= YOUNG
    except FileNotFoundError:  # its container was removed just now
        return False
