"""HTTP connections: those that hang are cut off, wherever in a request they do, and an answer is sent in one piece."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ml_pipeline.api.answer import problem
from ml_pipeline.errors import TooSlowError

HEAD_BYTES = 64 << 10
"""What comes before a request's body may not be more."""
SECONDS = 30.0
"""A request that is not whole by then will never be."""
LARGE = 64 << 10
"""Bytes that are sent at once, whatever may follow."""
LATE = problem(TooSlowError("the request did not arrive in time", expected=f"a whole one within {SECONDS:g} s"))


class Gathering:
    """A transport that sends what it is given in one turn of the event loop, such as head and body, in one system call.

    uvloop's makes a call of every write, each of which wakes whoever waits for the answer.
    """

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.inner, self.loop, self.pieces = inner, loop, list[bytes]()

    def write(self, data: bytes) -> None:
        """Send this together with what comes before the turn is over."""
        if not self.pieces:
            self.loop.call_soon(self.flush)
        self.pieces.append(data)
        if len(data) > LARGE:
            self.flush()

    def flush(self) -> None:
        """Send what there is."""
        if self.pieces:
            self.inner.write(b"".join(self.pieces))
            self.pieces.clear()

    def close(self) -> None:
        """Send what there is and end."""
        self.flush()
        self.inner.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's, with an end to requests that have none."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.whole, self.head = False, 0
        self.cut: asyncio.TimerHandle | None = None
        self.stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Nobody stays who asks nothing."""
        super().connection_made(cast(asyncio.Transport, Gathering(transport, self.loop)))
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        super().connection_lost(exc)
        self._disarm()
        self._unstick()

    def data_received(self, data: bytes) -> None:
        """The next bytes, of one request or several."""
        self.head += len(data)
        super().data_received(data)
        if self.whole:
            self._disarm()
        elif self.cut is None:
            self._arm()
        if self.head > HEAD_BYTES:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.whole, self.head = False, 0

    def on_headers_complete(self) -> None:
        """What comes now is its body, which the application bounds."""
        super().on_headers_complete()
        self.head = -(1 << 62)

    def on_message_complete(self) -> None:
        """It is whole."""
        super().on_message_complete()
        self.whole, self.head = True, 0

    def pause_writing(self) -> None:
        """The other side does not read; if it never will, nothing is kept for it."""
        super().pause_writing()
        self.stuck = self.loop.call_later(SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._unstick()

    def _unstick(self) -> None:
        if self.stuck is not None:
            self.stuck.cancel()
            self.stuck = None

    def _arm(self) -> None:
        self.cut = self.loop.call_later(SECONDS, self._cut_off)

    def _cut_off(self) -> None:
        """Say why, where nothing is said yet, and hang up."""
        if not (self.cycle and self.cycle.response_started):
            head = f"HTTP/1.1 408 Request Timeout\r\ncontent-type: {LATE.media.decode()}\r\n"
            end = f"content-length: {len(LATE.body)}\r\nconnection: close\r\n\r\n"
            self.transport.write((head + end).encode() + LATE.body)
        self.transport.close()

    def _disarm(self) -> None:
        if self.cut is not None:
            self.cut.cancel()
            self.cut = None
