"""OpenAPI of a server, with examples from its use cases: made when asked for, and again when a champion changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Response

from ml_pipeline.api.answer import json
from ml_pipeline.api.routes import Route, Speech, describe
from ml_pipeline.realtime.service import ScoringService


class OpenApi:
    """The route of the document."""

    def __init__(self, app: FastAPI, routes: Sequence[Route], services: Mapping[str, ScoringService]) -> None:
        self.app, self.table, self.services = app, routes, services
        self.document: dict[str, Any] = {}
        self.champions: tuple[str, ...] = ()

    def route(self) -> Route:
        """Its row."""
        answer = Speech({"type": "object"})
        return Route("GET", "/openapi.json", self.show, ("read",), answer, tag="server", title="Describe all routes")

    async def show(self) -> Response:
        """This document."""
        return json(await asyncio.to_thread(self._made)).response()

    def _made(self) -> dict[str, Any]:
        champions = tuple(own.champion for own in self.services.values())
        if not self.document or champions != self.champions:
            self.champions, self.document = champions, describe(self.app, self.table)
        return self.document
