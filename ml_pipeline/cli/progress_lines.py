"""How far a stage is, as lines for a log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

EVERY = 5.0
"""Seconds between two lines."""


class ProgressLines:
    """Called with the step's name, and the batches done and in all of its present pass over the data."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.said = clock, clock()
        self.step, self.done = "", 0
        self.began, self.first = self.said, 0

    def __call__(self, step: str, done: int, of: int) -> None:
        now = self.clock()
        if step != self.step or done <= self.done:  # another pass
            self.began, self.first = now, done
        self.step, self.done = step, done
        if now - self.said >= EVERY:
            self.said = now
            logging.getLogger("ml_pipeline.run").info("%s: batch %d of %d%s", step, done, of, self._left(now, of))

    def _left(self, now: float, of: int) -> str:
        """Of this pass, if the rest is as quick as what was done."""
        counted, rest = self.done - self.first, of - self.done
        return f", about {(now - self.began) / counted * rest:.0f} s left" if counted and rest else ""
