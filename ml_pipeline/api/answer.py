"""An answer to a request, and an error as one: RFC 9457 with the words of every other door."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from starlette.responses import Response
from starlette.types import Send

from ml_pipeline.errors import BusyError, CallerError, PipelineError

JSON, PROBLEM = b"application/json", b"application/problem+json"
Headers = tuple[tuple[bytes, bytes], ...]
Refusal = Callable[..., "Answer"]
RETRY_SECONDS = {429: 1, 503: 5}
"""When it may be better, by status."""


class Answer(NamedTuple):
    """What goes back to a caller; `media` is the type of the body."""

    status: int
    body: bytes
    media: bytes = JSON
    headers: Headers = ()

    async def send(self, send: Send) -> None:
        """Write it."""
        length = (b"content-length", b"%d" % len(self.body))
        headers = [(b"content-type", self.media), length, *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})

    def response(self) -> Response:
        """The same for FastAPI."""
        headers = {name.decode(): value.decode() for name, value in self.headers}
        return Response(self.body, self.status, headers, self.media.decode())


def problem(error: PipelineError, status: int = 0) -> Answer:
    """An error as an answer, with another status than its own if one is given."""
    code = status or error.http_status
    said = {
        "type": f"urn:ml-pipeline:{type(error).__name__}",
        "title": HTTPStatus(code).phrase,
        "status": code,
        "detail": str(error),
        **error.as_dict(),
    }
    return Answer(code, msgspec.json.encode(said), PROBLEM, headers_of(error, code))


def protocol_error(error: PipelineError, status: int = 0) -> Answer:
    """An error as the Open Inference Protocol has it."""
    code = status or error.http_status
    return json({"error": f"{type(error).__name__}: {error}"}, code, *headers_of(error, code))


def refusal(path: str) -> Refusal:
    """The form of an error that whoever asks for a path expects."""
    return protocol_error if path.startswith("/v2/") else problem


def headers_of(error: PipelineError, status: int) -> Headers:
    """When to ask again, or who may ask."""
    if isinstance(error, CallerError):
        return ((b"www-authenticate", b'Bearer realm="ml-pipeline"'),)
    seconds = error.retry_after if isinstance(error, BusyError) else RETRY_SECONDS.get(status)
    return ((b"retry-after", b"%d" % seconds),) if seconds else ()


def unexpected(error: Exception) -> PipelineError:
    """What should not have happened, without its inner life: that stands in the log."""
    return PipelineError(
        "something unexpected went wrong", given=type(error).__name__, do="report it with the lines of the server's log"
    )


def json(value: Any, status: int = 200, *headers: tuple[bytes, bytes]) -> Answer:
    """A value as JSON."""
    return Answer(status, msgspec.json.encode(value), JSON, headers)
