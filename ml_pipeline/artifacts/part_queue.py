"""Parts made on several cores, a bounded number at a time, and handed back in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from ml_pipeline.artifacts.manifest import Part
from ml_pipeline.engines.local import available_cores

MOST = 4
"""Threads of one dataset: more would only hold more parts in memory."""


class PartQueue:
    """Encoding and storing a part takes longer than to make its rows, so it must not wait for them, nor they for it.

    A part that failed fails every call from then on: what lacks a part can never be finished.
    """

    def __init__(self) -> None:
        self._threads = min(available_cores(), MOST)
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque[Future[Part]] = deque()
        self._done: list[Part] = []

    def add(self, make: Callable[..., Part], *arguments: Any) -> None:
        """Make a part in the background, as soon as a thread is free.

        Raises:
            Exception: what an earlier part failed with.
        """
        self._pool = self._pool or ThreadPoolExecutor(self._threads)
        self._collect(self._threads - 1)
        self._waiting.append(self._pool.submit(copy_context().run, make, *arguments))

    def finish(self) -> list[Part]:
        """All parts, in the order they were added.

        Raises:
            Exception: what the first part that failed failed with.
        """
        self._collect(0)
        if self._pool:
            self._pool.shutdown()
        return self._done

    def __len__(self) -> int:
        return len(self._done) + len(self._waiting)

    def _collect(self, most: int) -> None:
        while self._waiting and (len(self._waiting) > most or self._waiting[0].done()):
            try:
                self._done.append(self._waiting[0].result())
            except BaseException:
                for future in self._waiting:
                    future.cancel()
                raise
            self._waiting.popleft()
