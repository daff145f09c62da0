"""Where the seconds of a stage go: the store, reading, computing, writing.

Whoever does such work says so by `with timed("read")`; whoever wants to know sets a watch. Without a watch nothing is
counted. Seconds are summed over threads, so on several cores they may be more than have passed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Literal, TypeAlias, get_args

Activity: TypeAlias = Literal["store", "read", "compute", "write"]
ACTIVITIES: tuple[Activity, ...] = get_args(Activity)

_WATCH: ContextVar[dict[str, float] | None] = ContextVar("watch", default=None)
_WITHIN: ContextVar[list[float]] = ContextVar("within")
"""Seconds of the activities within the one that is timed."""
_ONE_AT_A_TIME = Lock()


@contextmanager
def watch() -> Iterator[dict[str, float]]:
    """Count the seconds of all that is timed within, by activity.

    Threads take part when they run in a copy of this context (`contextvars.copy_context`).
    """
    seconds: dict[str, float] = defaultdict(float)
    token = _WATCH.set(seconds)
    try:
        yield seconds
    finally:
        _WATCH.reset(token)


@contextmanager
def timed(activity: Activity) -> Iterator[None]:
    """The time of this activity; what is timed within it counts there and not here."""
    seconds = _WATCH.get()
    if seconds is None:
        yield
        return
    within = [0.0]
    token, began = _WITHIN.set(within), time.perf_counter()
    try:
        yield
    finally:
        took = time.perf_counter() - began
        _WITHIN.reset(token)
        with _ONE_AT_A_TIME:
            seconds[activity] += took - within[0]
            _WITHIN.get([0.0])[0] += took
