"""Whether the server lives, whether it can do what it offers, and what it counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec
from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST

from ml_pipeline.api.answer import RETRY_SECONDS, json
from ml_pipeline.api.metrics import Metrics
from ml_pipeline.api.routes import Route, Speech
from ml_pipeline.api.supervisor import Supervisor
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import PipelineError
from ml_pipeline.realtime.service import ScoringService

SAMPLE_SECONDS = 2.0


class Health(msgspec.Struct, frozen=True):
    """Nothing but that somebody answers."""

    status: str


class Readiness(msgspec.Struct, frozen=True):
    """Whether all is well; `checks` say by name what is not, "" where nothing is wrong."""

    ready: bool
    checks: dict[str, str]


class Watch:
    """The routes for those who watch a server."""

    def __init__(
        self, store: str, services: Mapping[str, ScoringService], supervisor: Supervisor, metrics: Metrics
    ) -> None:
        self.store, self.services, self.supervisor, self.metrics = store, services, supervisor, metrics

    def routes(self) -> list[Route]:
        """Rows of the table."""
        ready, text = Speech(Readiness), Speech({"type": "string"}, CONTENT_TYPE_LATEST.partition(";")[0])
        return [
            Route("GET", "/health", self.health, (), Speech(Health), tag="server", title="Is it alive"),
            Route("GET", "/ready", self.ready, (), ready, also={503: ready}, tag="server", title="Can it do its work"),
            Route("GET", "/metrics", self.scrape, ("read",), text, tag="server", title="Metrics for Prometheus"),
        ]

    async def health(self) -> Response:
        """Says that the process lives; restart it if it does not."""
        return json(Health("alive")).response()

    async def ready(self) -> Response:
        """Says whether all that is offered can be done: the store answers, and every use case can score."""
        found = await asyncio.to_thread(self._found)
        missing = [name for name, why in found.items() if why]
        if missing:
            later = (b"retry-after", b"%d" % RETRY_SECONDS[503])
            return json(Readiness(False, found), 503, later).response()
        return json(Readiness(True, found)).response()

    async def scrape(self) -> Response:
        """Counts for Prometheus."""
        self._sample()
        return Response(await asyncio.to_thread(self.metrics.text), media_type=CONTENT_TYPE_LATEST)

    async def follow(self) -> None:
        """Take samples for as long as the server lives: whichever worker is scraped answers for all."""
        with self.metrics.monitored.following():
            while True:
                await asyncio.sleep(SAMPLE_SECONDS)
                self._sample()

    def _sample(self) -> None:
        for state, count in self.supervisor.states().items():
            self.metrics.runs.labels(state).set(count)
        self.metrics.sample()

    def _found(self) -> dict[str, str]:
        checks: dict[str, Callable[[], object]] = {"store": lambda: Store(self.store).exists("ready")}
        checks |= {f"{name}/online/serve": own.check_ready for name, own in self.services.items()}
        return {name: _why_not(check) for name, check in checks.items()}


def _why_not(check: Callable[[], object]) -> str:
    """What a check says; "" where all is well."""
    try:
        check()
    except PipelineError as error:
        return str(error)
    return ""
