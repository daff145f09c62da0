"""Requests that arrive in the same turn of the event loop, answered in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ml_pipeline.errors import PipelineError

Found = bytes | PipelineError


class Together:
    """Waits for nobody: a request that comes alone is answered alone.

    Args:
        answer: What each of some bodies gets, in their order.
    """

    def __init__(self, answer: Callable[[Sequence[bytes]], Sequence[Found]]) -> None:
        self.answer = answer
        self.waiting: list[tuple[bytes, asyncio.Future[bytes]]] = []

    async def ask(self, body: bytes) -> bytes:
        """The answer to a body.

        Raises:
            PipelineError: that is the answer.
        """
        loop = asyncio.get_running_loop()
        if not self.waiting:
            loop.call_soon(self._turn)
        own: asyncio.Future[bytes] = loop.create_future()
        self.waiting.append((body, own))
        return await own

    def _turn(self) -> None:
        waiting, self.waiting = self.waiting, []
        try:
            found = self.answer([body for body, _ in waiting])
        except Exception as error:  # noqa: BLE001 - each of those that wait is told
            for _, own in waiting:
                if not own.done():
                    own.set_exception(error)
            return
        for (_, own), one in zip(waiting, found, strict=True):
            if own.done():  # whoever asked has left
                continue
            if isinstance(one, PipelineError):
                own.set_exception(one)
            else:
                own.set_result(one)
