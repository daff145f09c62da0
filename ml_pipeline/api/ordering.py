"""Orders over REST: any stage, step or service by its route, and records to learn from; 202 and where to look."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple

import msgspec
from fastapi import Header, Request, Response

from ml_pipeline.api.answer import json
from ml_pipeline.api.exposure import LEARNING, SCORING, Exposure, Offer
from ml_pipeline.api.orders import Order, OrderBook, Run, new_id
from ml_pipeline.api.routes import Route, Speech
from ml_pipeline.api.rows import refuse_many
from ml_pipeline.api.schemas import labelled
from ml_pipeline.api.supervisor import Supervisor
from ml_pipeline.contract import StageRequest, moment
from ml_pipeline.discovery import UseCase, find
from ml_pipeline.errors import ConflictError, DataError, UsageError
from ml_pipeline.learning import keep
from ml_pipeline.run import default_run_id

KEY = re.compile(r"[!-~]{1,200}")
"""An idempotency key: printable ASCII."""
Key = Annotated[str | None, Header(description="With the same key nothing is ordered twice.")]


class StageOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body of an order: the StageRequest without what the route and the server say. Everything may be left out.

    `as_of` is a date or a moment, by default now; `run_id` by default mode and as-of, so that stages which are ordered
    one by one find each other. `approved_by` and `reason` need the scope promote too.
    """

    as_of: str = ""
    run_id: str = ""
    parameters: dict[str, Any] = {}
    force: bool = False
    images: dict[str, str] = {}
    approved_by: str = ""
    reason: str = ""


class Slip(NamedTuple):
    """An order before it is written down: its id, what is ordered by whom, and the digest of the question."""

    id: str
    service: str
    by: str
    asked: str


class Ordering:
    """The routes of everything that is offered. `books` are those of the use cases by name."""

    def __init__(self, exposure: Exposure, store: str, supervisor: Supervisor, books: Mapping[str, OrderBook]) -> None:
        self.exposure, self.store, self.supervisor, self.books = exposure, store, supervisor, books
        self.placing = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Rows of the table: an offer each, but for the stage that takes records; and what says what there is."""
        offers = [offer for offer in self.exposure.offers.values() if offer.service not in (SCORING, LEARNING)]
        unknown = Route("POST", "/{use_case}/{mode}/{service}", self.order, ("run",), Speech(Run), hidden=True)
        return [*map(self._row, offers), *map(self._learning, self.exposure.learning), unknown]

    async def order(self, request: Request, idempotency_key: Key = None) -> Response:
        """The answer says where the run is found."""
        offer = self.exposure.offer(request.url.path)
        return await self._ordered(request, offer, _decoded(await request.body()), idempotency_key)

    async def order_of_run(
        self, request: Request, run_id: str = "", model_version: str = "", as_of: str = "", idempotency_key: Key = None
    ) -> Response:
        """Records are scored at once by the champion, or by the model version that is named, as of now or of a moment
        before. With a run id the stage is ordered for the batch of that run, as all other stages are.
        """
        request.scope["caller"].need("run")
        if not run_id or model_version or as_of:
            raise UsageError("a run id names a run, and goes with no other parameter", given=str(request.url.query))
        asked = msgspec.structs.replace(_decoded(await request.body()), run_id=run_id)
        return await self._ordered(request, self.exposure.offer(request.url.path), asked, idempotency_key)

    async def learn(self, request: Request, idempotency_key: Key = None) -> Response:
        """Labelled records, from which the champion goes on learning: a candidate that the gate decides on. They are
        kept before the answer; where they are too few they are learnt with the next.
        """
        use_case, body = self.exposure.use_case(request.url.path.split("/")[1]), await request.body()
        refuse_many(body)
        slip = _slip(request, LEARNING, idempotency_key, body)
        return await self._taken(slip, use_case.config.name, partial(keep, use_case, self.store, body))

    async def _ordered(self, request: Request, offer: Offer, asked: StageOrder, key: str | None) -> Response:
        if asked.approved_by or asked.reason:
            request.scope["caller"].need("promote")
        use_case = _reconfigured(self.exposure.use_cases[offer.use_case], asked)
        written = partial(_request, offer, asked, self.store, use_case.config.timezone)
        slip = _slip(request, offer.service, key, msgspec.json.encode(asked, order="deterministic"))
        return await self._taken(slip, offer.use_case, written)

    async def _taken(self, slip: Slip, use_case: str, written: Callable[[], StageRequest]) -> Response:
        book = self.books[use_case]
        async with self.placing:
            placed = await self._placed(slip, book, written)
        run = await asyncio.to_thread(book.run, placed.id)
        return json(run, 202, (b"location", f"/runs/{run.id}".encode())).response()

    async def _placed(self, slip: Slip, book: OrderBook, written: Callable[[], StageRequest]) -> Order:
        """The order, taken; or the one that its key placed before."""
        known = await asyncio.to_thread(book.find, slip.id)
        if known is None:
            self.supervisor.admit()
            request = msgspec.structs.replace(await asyncio.to_thread(written), attempt=slip.id)
            order = Order(**slip._asdict(), request=request, ordered=dt.datetime.now(dt.UTC))
            known = await asyncio.to_thread(book.place, order)
            if known is order:
                self.supervisor.begin(order, book)
        if known.asked != slip.asked:
            raise ConflictError(
                "the idempotency key was used for another order",
                given=f"the run {known.id}, {known.service} as of {known.request.as_of.isoformat()}",
                expected="the same route and body",
                do="take a new key for a new order",
            )
        return known

    def _row(self, offer: Offer) -> Route:
        asks = Speech(StageOrder, examples=_examples)
        title = f"Run {', '.join(offer.steps)}"
        return Route(
            "POST", offer.path, self.order, ("run",), Speech(Run), asks, status=202, errors=(409, 413),
            tag=offer.use_case, title=title,
        )  # fmt: skip

    def _learning(self, use_case: UseCase) -> Route:
        name = use_case.config.name
        return Route(
            "POST", f"/{name}/{LEARNING}", self.learn, ("run",), Speech(Run), Speech(labelled(use_case)), status=202,
            errors=(409, 413), tag=name, title="Learn from labelled records",
        )  # fmt: skip


def _slip(request: Request, service: str, key: str | None, question: bytes) -> Slip:
    """Raises: UsageError: the key is none."""
    if key is not None and not KEY.fullmatch(key):
        raise UsageError(
            "this is no idempotency key", given=key[:200], expected="up to 200 printable ASCII characters, no space"
        )
    path, by = request.url.path, request.scope["caller"].name
    digest = hashlib.sha256(path.encode() + b"\n" + question).hexdigest()
    return Slip(new_id(path.split("/")[1], by, key or ""), service, by, digest)


def _request(offer: Offer, asked: StageOrder, store: str, timezone: str) -> StageRequest:
    as_of = moment(asked.as_of or dt.datetime.now(dt.UTC).isoformat(), timezone)
    return StageRequest(
        use_case=offer.use_case, mode=offer.mode, stages=offer.steps,
        run_id=asked.run_id or default_run_id(offer.mode, as_of), as_of=as_of, store=store,
        parameters=asked.parameters, force=asked.force, images=asked.images,
        approved_by=asked.approved_by, reason=asked.reason,
    )  # fmt: skip


def _decoded(body: bytes) -> StageOrder:
    try:
        return msgspec.json.decode(body or b"{}", type=StageOrder)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"the body is no order: {error}",
            given=body[:100].decode("utf-8", "replace"),
            expected="a JSON object with any of " + ", ".join(StageOrder.__struct_fields__),
            do="correct it",
        ) from error


def _examples() -> dict[str, Any]:
    return {"as of today": {"as_of": dt.datetime.now(dt.UTC).date().isoformat()}, "as of now": {}}


def _reconfigured(use_case: UseCase, asked: StageOrder) -> UseCase:
    """The use case with the parameters of an order.

    Raises:
        ConfigError: they make no configuration.
        UsageError: they name another address, from which the server would read on behalf of the caller.
    """
    own = find(use_case.config.name, asked.parameters) if asked.parameters else use_case
    for name, source in own.config.sources.items():
        known = use_case.config.sources.get(name)
        if known is None or source.address != known.address:
            raise UsageError(
                "the address of a source cannot be changed over REST",
                given=f"sources.{name}.address: {source.address}",
                expected="the addresses of pipeline.yaml",
                do="change it there",
            )
    return own
