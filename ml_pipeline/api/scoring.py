"""Raw records in, what people use out: the quick way to a use case's champion."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Scope

from ml_pipeline.api.answer import Answer, problem
from ml_pipeline.api.gate import late
from ml_pipeline.api.orders import Run
from ml_pipeline.api.routes import Route, Speech
from ml_pipeline.api.rows import refuse_many
from ml_pipeline.api.schemas import SCORED, records
from ml_pipeline.api.together import Together
from ml_pipeline.contract import moment
from ml_pipeline.errors import PipelineError, UsageError
from ml_pipeline.realtime.service import ScoringService

ARROW = b"application/vnd.apache.arrow.stream"
INLINE_BYTES = 256 << 10
"""Bodies up to here take less time to score than to hand over to a thread."""
TOGETHER_BYTES = 8 << 10
"""Bodies up to here, of a few records, are scored with others that arrive at the same time: calls cost most of them."""
PARAMETERS = ("model_version", "as_of")
THREADS = ThreadPoolExecutor(4, "scoring")
Found = TypeVar("Found")


class Scoring:
    """`POST /{use case}/online/serve`. `seconds`: how long a scoring in a thread may take."""

    def __init__(self, service: ScoringService, seconds: float) -> None:
        self.service, self.seconds, config = service, seconds, service.use_case.config
        self.timezone = config.timezone
        self.label = f"/{config.name}/online/serve"
        self.together = Together(service.score_bodies)

    def route(self, order: Callable[..., Any]) -> Route:
        """Its row, for those who read of it; `order` is called where a run is named."""
        example = Speech(records(self.service.use_case), examples=self._example, binary=ARROW.decode())
        answer = Speech(SCORED, examples=self._scored, binary=ARROW.decode())
        return Route(
            "POST", self.label, order, ("score", "run"), answer, example, also={202: Speech(Run)},
            errors=(404, 409, 413), tag=self.service.use_case.config.name, title="Score records",
        )  # fmt: skip

    def _records(self) -> list[dict[str, Any]]:
        """Records of the use case, as if their label was not known yet."""
        label = self.service.use_case.config.label
        return [{name: value for name, value in one.items() if name != label} for one in self.service.example()]

    def _example(self) -> dict[str, Any]:
        found = self._records()
        return {"one record": found[0], "several records": found}

    def _scored(self) -> dict[str, Any]:
        """The answer to the example as of its own time, for which nothing is recorded; none while nothing is scored."""
        found = self._records()
        when = found[0].get(self.service.use_case.config.time)
        try:
            as_of = moment(str(when), self.timezone)
            answer = self.service.score_json(msgspec.json.encode(found), as_of=as_of)
        except PipelineError:
            return {}
        return {"several records": msgspec.json.decode(answer)}

    async def answer(self, scope: Scope, content: bytes) -> Answer:
        """Records as JSON or as an Arrow stream; scored here, or in a thread if there are many."""
        if _is_arrow(scope):
            return Answer(200, await self._beside(self.service.score_arrow, scope, content), ARROW)
        if not scope["query_string"]:
            if len(content) <= TOGETHER_BYTES:
                return Answer(200, await self.together.ask(content))
            if len(content) <= INLINE_BYTES:
                return Answer(200, self.service.score_json(content))
        return Answer(200, await self._beside(self.service.score_json, scope, content))

    def refuse(self, error: PipelineError) -> Answer:
        """As at every other route."""
        return problem(error)

    async def _beside(self, score: Callable[..., bytes], scope: Scope, content: bytes) -> bytes:
        refuse_many(content, _is_arrow(scope))
        asked = _asked(scope["query_string"], self.timezone)
        return await in_thread(partial(score, content, **asked), self.seconds)


async def in_thread(work: Callable[[], Found], seconds: float) -> Found:
    """What takes long, beside the event loop.

    Raises:
        BusyError: it takes too long.
    """
    try:
        return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(THREADS, work), seconds)
    except TimeoutError as error:
        raise late(seconds) from error


def _is_arrow(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return bool(value.startswith(ARROW))
    return False


def _asked(query: bytes, timezone: str) -> dict[str, Any]:
    """The parameters of a request.

    Raises:
        UsageError: one of them is none, or not what it should be.
    """
    given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    if unknown := sorted(given.keys() - set(PARAMETERS)):
        raise UsageError("there is no such parameter", given=unknown[0], expected=", ".join((*PARAMETERS, "run_id")))
    asked: dict[str, Any] = {"version": given.get("model_version", "")}
    if "as_of" in given:
        asked["as_of"] = moment(given["as_of"], timezone)
    return asked
