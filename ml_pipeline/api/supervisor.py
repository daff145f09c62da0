"""The orders that this worker process took: so many at once, the others in turn, and all of them stopped at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ml_pipeline.api.orders import Order, OrderBook
from ml_pipeline.api.settings import Bounds
from ml_pipeline.api.slots import Slots
from ml_pipeline.api.stage_process import COMMAND, StageProcess
from ml_pipeline.api.work import Work
from ml_pipeline.errors import TooManyError


class Supervisor:
    """Call it from the event loop alone. `command` runs a stage, given its request."""

    def __init__(self, bounds: Bounds, slots: Path, command: Sequence[str] = COMMAND) -> None:
        self.bounds, self.slots, self.command = bounds, Slots(slots, bounds.runs), command
        self.works: dict[str, Work] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def admit(self) -> None:
        """Return if another order can be taken.

        Raises:
            TooManyError: enough wait already.
        """
        if len(self.works) >= self.bounds.runs + self.bounds.waiting:
            raise TooManyError(
                "too many runs are waiting",
                given=str(len(self.works)),
                expected=f"at most {self.bounds.waiting} that wait for {self.bounds.runs} places",
                do="order it again when some are over; GET /runs shows them",
            )

    def begin(self, order: Order, book: OrderBook) -> None:
        """Take an order that was written down."""
        process = StageProcess(msgspec.json.encode(order.request).decode(), self.command)
        work = self.works[order.id] = Work(order, book, process, self.bounds.beat)
        task = asyncio.create_task(work.carry_out(self.slots))
        self.tasks.add(task)
        task.add_done_callback(lambda done: self._over(order.id, done))

    def stop(self, name: str, why: str) -> None:
        """Stop an order, if it is one of ours."""
        if name in self.works:
            self.works[name].stop(why)

    def states(self) -> dict[str, int]:
        """How many orders of this worker are in which state."""
        running = sum(work.began is not None for work in self.works.values())
        return {"queued": len(self.works) - running, "running": running}

    async def close(self) -> None:
        """Stop all, and return when that is written down."""
        for work in self.works.values():
            work.stop("the server was told to stop")
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _over(self, name: str, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.works.pop(name, None)
