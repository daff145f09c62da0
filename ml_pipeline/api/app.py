"""The application: use cases and services in, an ASGI application out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from starlette.types import ASGIApp

from ml_pipeline.api.callers import Callers
from ml_pipeline.api.exposure import Exposure
from ml_pipeline.api.gate import Gate, Quick
from ml_pipeline.api.guard import guarded
from ml_pipeline.api.health import Watch
from ml_pipeline.api.inference import Inference, Inferences
from ml_pipeline.api.metrics import Metrics
from ml_pipeline.api.models import Models
from ml_pipeline.api.monitoring_metrics import Monitored
from ml_pipeline.api.openapi import OpenApi
from ml_pipeline.api.ordering import Ordering
from ml_pipeline.api.orders import OrderBook
from ml_pipeline.api.routes import Route, add
from ml_pipeline.api.runs import Runs
from ml_pipeline.api.scoring import Scoring
from ml_pipeline.api.settings import Settings
from ml_pipeline.api.stage_process import COMMAND
from ml_pipeline.api.supervisor import Supervisor
from ml_pipeline.api.tokens import TokenFile
from ml_pipeline.artifacts.store import Store
from ml_pipeline.realtime.service import ScoringService


class Parts(NamedTuple):
    """What an application is made of. `closing` ends with it."""

    settings: Settings
    exposure: Exposure
    services: Mapping[str, ScoringService]
    supervisor: Supervisor
    closing: ExitStack


def create(settings: Settings, command: Sequence[str] = COMMAND) -> ASGIApp:
    """The application that settings describe; `command` runs a stage, given its request.

    Raises:
        PipelineError: it cannot be built as asked.
    """
    exposure, closing = Exposure(settings.use_cases, settings.services), ExitStack()
    slots = settings.slots or closing.enter_context(TemporaryDirectory(prefix="ml-pipeline-"))
    services = {
        name: ScoringService(own, settings.store, shadow=settings.shadow.get(name, ""))
        for name, own in exposure.scoring.items()
    }
    return assemble(Parts(settings, exposure, services, Supervisor(settings.bounds, Path(slots), command), closing))


def assemble(parts: Parts) -> ASGIApp:
    """The application from its parts."""
    settings, bounds = parts.settings, parts.settings.bounds
    metrics = Metrics(parts.services, Monitored(list(parts.exposure.use_cases), settings.store))
    watch = Watch(settings.store, parts.services, parts.supervisor, metrics)
    scorings = [Scoring(own, bounds.seconds) for own in parts.services.values()]
    inferences = {name: Inference(own, bounds.seconds) for name, own in parts.services.items()}
    app = guarded(lambda _: _life(parts, watch))
    table = [*watch.routes(), *Inferences(inferences).routes(), *_table(parts, scorings)]
    table.append(OpenApi(app, table, parts.services).route())
    for route in table:
        add(app, route)
    quick: dict[str, Quick] = {own.label: own for own in scorings}
    quick |= {own.label: own for own in inferences.values()}
    callers = Callers(TokenFile(Path(settings.tokens)) if settings.tokens else None)
    return Gate(app, quick, callers, bounds, metrics)


def _table(parts: Parts, scorings: Sequence[Scoring]) -> list[Route]:
    """Rows of runs, models and all that may be ordered."""
    store, exposure, supervisor = parts.settings.store, parts.exposure, parts.supervisor
    lost_after = parts.settings.bounds.lost_after
    books = {name: OrderBook(Store(store).within(name), lost_after) for name in exposure.use_cases}
    ordering = Ordering(exposure, store, supervisor, books)
    return [
        *Runs(exposure, supervisor, books).routes(),
        *Models(exposure, store).routes(),
        *(scoring.route(ordering.order_of_run) for scoring in scorings),
        *ordering.routes(),
    ]


@asynccontextmanager
async def _life(parts: Parts, watch: Watch) -> AsyncIterator[None]:
    """From the start of all services to the end of all runs, and until everything scored is stored."""
    services = parts.services.values()
    with parts.closing:
        try:
            await asyncio.gather(*(asyncio.to_thread(own.start) for own in services))
            samples = asyncio.create_task(watch.follow())
            yield
            samples.cancel()
        finally:
            await parts.supervisor.close()
            await asyncio.gather(*(asyncio.to_thread(own.close) for own in services))
