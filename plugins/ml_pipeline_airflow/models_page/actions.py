"""What a person decides on the page: promote, roll back, retrain."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from airflow.api_fastapi.common.dagbag import create_dag_bag
from airflow.api_fastapi.core_api.datamodels.dag_run import TriggerDAGRunPostBody
from airflow.api_fastapi.core_api.routes.public.dag_run import trigger_dag_run
from airflow.assets.manager import asset_manager
from airflow.models.asset import AssetModel
from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from ml_pipeline.errors import PipelineError, UsageError
from ml_pipeline.lineage.succession import Person, Succession, promote, rollback
from ml_pipeline.report.markup import Markup, tag
from ml_pipeline_airflow.models_page.frame import page, path
from ml_pipeline_airflow.models_page.place import Place
from ml_pipeline_airflow.models_page.runs import dag_of
from ml_pipeline_airflow.models_page.visitor import Visitor, link
from ml_pipeline_airflow.promotion import champion, said

log = logging.getLogger(__name__)


class Switch(NamedTuple):
    """What a form says: a model, why, and the entry of the promotion log that was last when the form was shown."""

    version: str
    reason: str
    seen: int


def promoted(visitor: Visitor, name: str, asked: Switch) -> HTMLResponse:
    """Make a model champion, whatever its verdict.

    Raises:
        UsageError: it is champion already, was never evaluated, or there is no reason.
        ConflictError: there was a promotion since.
    """
    place, person = Place.of(name), Person(visitor.name, asked.seen)
    version = place.version(asked.version)
    return _switched(place, promote(place.use_case(), place.registry, version, asked.reason, person))


def rolled_back(visitor: Visitor, name: str, asked: Switch) -> HTMLResponse:
    """Make a former champion champion again.

    Raises:
        UsageError: it never was, or there is no reason.
        ConflictError: there was a promotion since.
    """
    place, person = Place.of(name), Person(visitor.name, asked.seen)
    version = place.version(asked.version)
    return _switched(place, rollback(place.use_case(), place.registry, version, asked.reason, person))


def retrained(visitor: Visitor, name: str, reason: str) -> HTMLResponse:
    """Start a run of the training DAG, as Airflow's own button does; the reason is the note of the run.

    Raises:
        UsageError: there is no reason.
        HTTPException: Airflow refuses to start it, and says why.
    """
    if not reason.strip():
        raise UsageError("a reason is missing", given=repr(reason), do="say why, for those who look at the run later")
    body = TriggerDAGRunPostBody(logical_date=None, note=reason)
    with create_session(scoped=False) as session:
        run: Any = trigger_dag_run(dag_of(name), body, create_dag_bag(), visitor.user, session, visitor.request)
        run_id, paused = run.run_id, session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == dag_of(name)))
    when = ". It waits until somebody unpauses the DAG." if paused else "."
    shown = link(run_id, dag_of(name), "runs", run_id)
    done = tag("p", "The run ", shown, " of ", tag("code", dag_of(name)), " is queued", when)
    return _done(name, "Training is started", [done])


def _switched(place: Place, own: Succession) -> HTMLResponse:
    entry = own.entry
    before = ["in place of ", link(entry.previous, place.name, "models", entry.previous)] if entry.previous else []
    said = [link(entry.to, place.name, "models", entry.to), " is champion ", *before]
    told = tag("p", *said, f", by entry {entry.number} of the promotion log.")
    notes = [*own.notes, _told(place, own)]
    return _done(place.name, "The champion is changed", [told, tag("ul", *(tag("li", note) for note in notes))])


def _told(place: Place, own: Succession) -> str:
    """Whether Airflow was told; the champion has changed either way."""
    try:
        return _announced(place, own)
    except (PipelineError, SQLAlchemyError) as error:
        log.exception("a promotion could not be made an event")
        return f"No DAG that waits for it was told, as Airflow could not be: {error}"


def _announced(place: Place, own: Succession) -> str:
    """Make the promotion an event of the champion's asset, so that DAGs that wait for one run; what came of it."""
    asset = champion(place.name)
    synthetic = place.registry.model(own.entry.to).synthetic
    extra = said(place.registry, msgspec.structs.asdict(own.entry), synthetic)
    with create_session(scoped=False) as session:
        known = session.scalar(select(AssetModel).where(AssetModel.uri == asset.uri, AssetModel.active.has()).limit(1))
        if known is None:
            return f"Airflow does not know the asset {asset.name}, so no DAG that waits for it was told."
        asset_manager.register_asset_change(asset=known, extra=extra, source_is_api=True, session=session)
    return f"It is an event of the asset {asset.name}: DAGs that wait for it run now."


def _done(name: str, title: str, parts: Sequence[Markup]) -> HTMLResponse:
    back = tag("p", link(f"Back to {name}", name))
    return page(title, [path((name, name), here=title), tag("h1", title), *parts, back], {})
