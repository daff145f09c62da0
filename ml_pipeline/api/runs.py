"""Runs over REST: how far they are, how they ended, and a way to stop one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

from fastapi import Query, Request, Response

from ml_pipeline.api.answer import json
from ml_pipeline.api.exposure import Exposure
from ml_pipeline.api.orders import ENDS, OrderBook, Run, no_run
from ml_pipeline.api.routes import Route, Speech
from ml_pipeline.api.supervisor import Supervisor
from ml_pipeline.errors import ConflictError, UsageError


class Runs:
    """The routes of runs. `books` are those of the use cases by name."""

    def __init__(self, exposure: Exposure, supervisor: Supervisor, books: Mapping[str, OrderBook]) -> None:
        self.exposure, self.supervisor, self.books = exposure, supervisor, books

    def routes(self) -> list[Route]:
        """Rows of the table."""
        path, run = "/runs/{run}", Speech(Run)
        return [
            Route(
                "GET", "/runs", self.newest, ("read",), Speech(list[Run]), errors=(404,), tag="runs", title="List runs"
            ),
            Route("GET", path, self.one, ("read",), run, errors=(404,), tag="runs", title="Show a run"),
            Route(
                "DELETE",
                path,
                self.cancel,
                ("run",),
                run,
                status=202,
                errors=(404, 409),
                tag="runs",
                title="Stop a run",
            ),
        ]

    async def newest(
        self, use_case: str = "", run_id: str = "", limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> Response:
        """The last orders of a use case or of all, the newest first."""
        names = [self.exposure.use_case(use_case).config.name] if use_case else list(self.books)
        found = await asyncio.gather(*(asyncio.to_thread(self.books[name].newest, limit, run_id) for name in names))
        runs = sorted((run for own in found for run in own), key=lambda run: run.ordered, reverse=True)
        return json(runs[:limit]).response()

    async def one(self, run: str) -> Response:
        """How far a run is, or how it ended: by its id, or by its run id, where that is enough."""
        return json(await asyncio.to_thread(self._found, run)).response()

    async def cancel(self, request: Request, run: str) -> Response:
        """It is over within seconds; what its finished stages left stays."""
        by = request.scope["caller"].name
        found = await asyncio.to_thread(self._found, run)
        if found.state in ENDS:
            raise ConflictError("the run is over", given=f"{found.id} is {found.state}", do="nothing")
        await asyncio.to_thread(self.books[found.use_case].ask_to_cancel, found.id, by)
        self.supervisor.stop(found.id, f"by {by}")
        return json(found, 202, (b"location", f"/runs/{found.id}".encode())).response()

    def _found(self, name: str) -> Run:
        book = self.books.get(name.rpartition("-")[0])
        if book and book.find(name):
            return book.run(name)
        found = [run for book in self.books.values() for run in book.newest(1, run_id=name)]
        if not found:
            raise no_run(name)
        if len(found) > 1:
            raise UsageError(
                "several use cases have a run of this name",
                given=name,
                expected="one of " + ", ".join(run.id for run in found),
                do="ask for one of these",
            )
        return found[0]
