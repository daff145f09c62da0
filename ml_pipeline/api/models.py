"""Models over REST: what there is, what a model is, and who is champion."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import Query, Request, Response

from ml_pipeline.api.answer import json
from ml_pipeline.api.exposure import Exposure
from ml_pipeline.api.routes import Route, Speech
from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.artifacts.registry import CARD, METRICS, MODEL, PARAMETERS, PROFILE, Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import DataError, NotFoundError
from ml_pipeline.lineage.description import Description, describe
from ml_pipeline.lineage.names import resolve
from ml_pipeline.lineage.overview import overview
from ml_pipeline.lineage.succession import Person, Succession, promote, rollback

FILES = (PARAMETERS, MODEL, METRICS, CARD, PROFILE)
FILE = Speech({"type": "string"}, "application/yaml")


class ModelSummary(msgspec.Struct, frozen=True):
    """A model at a glance. `passed` is its verdict, null before it was evaluated; `start` the model it went on from."""

    use_case: str
    version: str
    champion: bool
    as_of: str
    rows: int
    start: str
    synthetic: list[str]
    metrics: dict[str, Any]
    passed: bool | None


class ModelPage(Description, frozen=True, kw_only=True):
    """A model with its card, and where its files are on this server."""

    card: dict[str, Any]
    links: dict[str, str]


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a model is made champion; it stands in the promotion log."""

    reason: str


class Models:
    """The routes of models."""

    def __init__(self, exposure: Exposure, store: str) -> None:
        self.exposure, self.store = exposure, store

    def routes(self) -> list[Route]:
        """Rows of the table."""
        own, one, listed = "/models/{use_case}", "/models/{use_case}/{version}", Speech(list[ModelSummary])
        log, page = Speech(list[Promotion]), Speech(ModelPage)
        rows = [
            Route("GET", "/models", self.newest, ("read",), listed, title="List models"),
            Route("GET", own, self.of_use_case, ("read",), listed, title="List models of a use case"),
            Route("GET", f"{own}/promotions", self.promotions, ("read",), log, title="Show the promotion log"),
            Route("GET", one, self.one, ("read",), page, title="Show a model"),
            Route("GET", f"{one}/{{file}}", self.file, ("read",), FILE, title="Get a file of a model"),
            _decision(f"{one}/promote", self.promote, "Make a model champion"),
            _decision(f"{one}/rollback", self.rollback, "Make a former champion champion again"),
            _decision(f"{own}/rollback", self.back, "Go back to the champion before this one"),
        ]
        return [row._replace(tag="models", errors=row.errors or (404,)) for row in rows]

    async def newest(self, use_case: str = "", limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Response:
        """The models of a use case or of all, those with the newest as-of first."""
        names = [use_case] if use_case else list(self.exposure.use_cases)
        found = await asyncio.gather(*(asyncio.to_thread(self._listed, name, limit) for name in names))
        return json([model for own in found for model in own]).response()

    async def of_use_case(self, use_case: str, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Response:
        """The models of a use case, those with the newest as-of first."""
        return json(await asyncio.to_thread(self._listed, use_case, limit)).response()

    async def one(self, use_case: str, version: str) -> Response:
        """What a model is, how good it is, what became of it, and where its files are."""
        return json(await asyncio.to_thread(self._described, use_case, version)).response()

    async def file(self, use_case: str, version: str, file: str) -> Response:
        """One of the files of a model that people read: its parameters, its card, what it was judged by."""
        content = await asyncio.to_thread(self._content, use_case, version, file)
        return Response(content, headers={"content-security-policy": "sandbox"}, media_type="application/yaml")

    async def promotions(self, use_case: str) -> Response:
        """The promotion log, oldest entry first."""
        found: list[Promotion] = await asyncio.to_thread(self._registry(use_case)[1].promotions)
        return json(found).response()

    async def promote(self, request: Request, use_case: str, version: str) -> Response:
        """Make a model champion, whatever its verdict; who calls answers for it."""
        return await self._switched(request, use_case, version, promote)

    async def rollback(self, request: Request, use_case: str, version: str) -> Response:
        """Make a former champion champion again, once it has proved that it still predicts as it did."""
        return await self._switched(request, use_case, version, rollback)

    async def back(self, request: Request, use_case: str) -> Response:
        """Make the champion before the present one champion again."""
        return await self._switched(request, use_case, "", rollback)

    async def _switched(
        self, request: Request, use_case: str, version: str, switch: Callable[..., Succession]
    ) -> Response:
        reason, person = _reason(await request.body()), Person(request.scope["caller"].actor)

        def work() -> Succession:
            own, registry = self._registry(use_case)
            return switch(own, registry, version and resolve(registry, version), reason, person)

        return json(await asyncio.to_thread(work)).response()

    def _listed(self, use_case: str, limit: int) -> list[ModelSummary]:
        _, registry = self._registry(use_case)
        return [ModelSummary(use_case, **row) for row in overview(registry, limit)]

    def _described(self, use_case: str, version: str) -> ModelPage:
        own, registry = self._registry(use_case)
        found = describe(own, registry, resolve(registry, version))
        links = {name: f"/models/{use_case}/{found.version}/{name}" for name in FILES if name in found.files}
        card = self._content(use_case, found.version, CARD) if CARD in links else b"{}"
        return ModelPage(**msgspec.structs.asdict(found), card=plain_yaml.load(card), links=links)

    def _content(self, use_case: str, version: str, file: str) -> bytes:
        _, registry = self._registry(use_case)
        if file not in FILES:
            raise NotFoundError("there is no such file", given=file, expected=", ".join(FILES))
        return registry.store.get(registry.key(resolve(registry, version), file))

    def _registry(self, name: str) -> tuple[UseCase, Registry]:
        return self.exposure.use_case(name), Registry(Store(self.store).within(name))


def _decision(path: str, endpoint: Callable[..., Any], title: str) -> Route:
    """A row for what a person decides and says why."""
    asks = Speech(Reason, examples=lambda: {"why": {"reason": "seen and approved"}})
    return Route("POST", path, endpoint, ("promote",), Speech(Succession), asks, errors=(404, 409, 413), title=title)


def _reason(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Reason).reason
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"the body says no reason: {error}",
            given=body[:100].decode("utf-8", "replace"),
            expected='{"reason": "why"}',
            do="say why, for those who read the log later",
        ) from error
