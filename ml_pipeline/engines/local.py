"""All cores of this machine, batches of bounded size, the same bits for any number of workers.

Batches have fixed borders (the parts of a dataset) and their statistics are merged in their order, whichever worker
is done first. Workers are threads: NumPy and Arrow compute outside the interpreter lock, and nothing is pickled.
Linear algebra uses one thread per worker: more would spin on a machine that is shared.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from pathlib import Path
from typing import Any, TypeVar

from ml_pipeline.columns import Columns, Floats
from ml_pipeline.stopwatch import timed
from ml_pipeline.templates import BaseModel, Parameters, Statistics

T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[int, int], None]
"""Called with batches done and batches in all."""

BATCH_WORKING_SPACE = 256 << 20
"""Memory that a worker may need for one batch of 65,536 rows and what is computed from it."""


class LocalEngine:
    """Maps and sums over batches with `workers` threads, fewer where `memory_bytes` does not allow as many."""

    def __init__(
        self, workers: int | None = None, memory_bytes: int = 2 << 30, progress: Progress | None = None
    ) -> None:
        wanted = workers or available_cores()
        self.workers = max(1, min(wanted, memory_bytes // BATCH_WORKING_SPACE))
        self.progress: Progress = progress or (lambda *_: None)

    def map(self, function: Callable[[Any], R], loaders: Sequence[Callable[[], T]]) -> Iterator[R]:
        """`function` of every batch, in order; no more batches are in memory than workers and one."""
        return self.ordered(lambda load: function(load()), loaders)

    def total(self, model: type[BaseModel], parameters: Parameters, x: Any, y: Any) -> Statistics:
        """Sum of `model.accumulate` over batches; `x` gives loaders of batches, `y` takes the label out of one."""

        def accumulate(load: Callable[[], Columns]) -> Statistics:
            batch = load()
            label: Floats = y(batch)
            return model.accumulate(parameters, batch, label)

        return merged(model, self.ordered(accumulate, x))

    def ordered(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """`function` of every item, in order."""
        count = len(items)
        with _one_thread_each(), ThreadPoolExecutor(self.workers) as pool:
            waiting: deque[Future[R]] = deque()
            done = 0
            try:
                for item in items:
                    waiting.append(pool.submit(copy_context().run, timed("compute")(function), item))
                    if len(waiting) > self.workers:
                        yield waiting.popleft().result()
                        self.progress(done := done + 1, count)
                while waiting:
                    yield waiting.popleft().result()
                    self.progress(done := done + 1, count)
            finally:  # a batch failed, or nobody wants the rest
                for future in waiting:
                    future.cancel()


def merged(model: type[BaseModel], parts: Iterable[Statistics]) -> Statistics:
    """Statistics in their order, as one; None of none."""
    whole = None
    for place, part in enumerate(parts):
        whole = model.merge(whole, part) if place else part
    return whole


def available_cores() -> int:
    """Cores this process may use: its affinity, within the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def _one_thread_each() -> Any:
    """Limit the linear algebra library where the limiter is installed (images set the limit by environment)."""
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        return nullcontext()
    return threadpool_limits(1)
