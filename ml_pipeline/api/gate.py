"""The gate in front of all routes: who calls, how much at once, how long; and the short way to what must be quick.

Records to be scored go from here straight to their endpoint. All else goes through FastAPI.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from time import perf_counter
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml_pipeline.api import body
from ml_pipeline.api.answer import Answer, refusal, unexpected
from ml_pipeline.api.callers import Callers
from ml_pipeline.api.metrics import Metrics
from ml_pipeline.api.settings import Bounds
from ml_pipeline.errors import BusyError, PipelineError, TooManyError

log = logging.getLogger("ml_pipeline.api")
LEFT = 499
"""The status in metrics of a request whose client left; nobody is sent it."""


class Quick(Protocol):
    """An endpoint for POST requests that FastAPI does not see. `label` is its route in metrics."""

    label: str

    async def answer(self, scope: Scope, content: bytes) -> Answer:
        """What a caller who may score gets."""
        ...

    def refuse(self, error: PipelineError) -> Answer:
        """An error in the form that its callers expect."""
        ...


class Gate:
    """An ASGI application around another."""

    def __init__(
        self, rest: ASGIApp, quick: Mapping[str, Quick], callers: Callers, bounds: Bounds, metrics: Metrics
    ) -> None:
        self.rest, self.quick, self.callers, self.bounds, self.metrics = rest, quick, callers, bounds, metrics
        self.flying = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the life of the server."""
        if scope["type"] != "http":
            await self.rest(scope, receive, send)
            return
        began = perf_counter()
        self.flying += 1
        try:
            quick = self.quick.get(scope["path"]) if scope["method"] == "POST" else None
            if quick is None or b"run_id=" in scope["query_string"]:  # an order to the batch stage of a run
                status = await self._slowly(scope, receive, send)
                label = _pattern(scope)
            else:
                status = await self._quickly(quick, scope, receive, send)
                label = quick.label
            self.metrics.request(label, status, perf_counter() - began)
        finally:
            self.flying -= 1

    async def _quickly(self, quick: Quick, scope: Scope, receive: Receive, send: Send) -> int:
        """The status."""
        try:
            self._admit(scope)
            scope["caller"].need("score")
            answer = await quick.answer(scope, await body.read(scope, receive, self.bounds.body_bytes))
        except PipelineError as error:
            answer = quick.refuse(error)
        except body.Gone:
            return LEFT
        except Exception as error:
            log.exception("a request failed: %s", scope["path"])
            answer = quick.refuse(unexpected(error))
        await answer.send(send)
        return answer.status

    async def _slowly(self, scope: Scope, receive: Receive, send: Send) -> int:
        """The status; FastAPI's routes turn errors into answers, except for those that come from here."""
        sent = _Sent(send)
        try:
            async with asyncio.timeout(self.bounds.seconds):
                self._admit(scope)
                await self.rest(scope, body.bounded(scope, receive, self.bounds.body_bytes), sent)
        except PipelineError as error:
            await refusal(scope["path"])(error).send(sent)
        except TimeoutError:
            if not sent.status:
                await refusal(scope["path"])(late(self.bounds.seconds)).send(sent)
        except body.Gone:
            return LEFT
        return sent.status or LEFT

    def _admit(self, scope: Scope) -> None:
        if self.flying > self.bounds.requests:
            raise TooManyError(
                "too many requests at once",
                given=str(self.flying),
                expected=f"at most {self.bounds.requests} in flight",
                do="ask again in a second",
            )
        scope["caller"] = self.callers.identify(scope)


class _Sent:
    """`send` that remembers the status; 0 until there is one. Nothing is sent after that but its body."""

    def __init__(self, send: Send) -> None:
        self.inner, self.status = send, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self.inner(message)


def late(seconds: float) -> BusyError:
    """What took too long; it may still be at work."""
    return BusyError(
        "the answer was not ready in time", expected=f"one within {seconds:g} s", do="ask again later, or for less"
    )


def _pattern(scope: Scope) -> str:
    """The pattern that a request met, so that metrics stay few whatever callers ask for."""
    return str(getattr(scope.get("route"), "path_format", "none"))
