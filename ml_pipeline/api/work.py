"""One order at work: its turn, its process, its signs of life and its end, written into the book of orders."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from ml_pipeline.api.orders import Beat, Order, OrderBook, Outcome, Progress, State
from ml_pipeline.api.slots import Slots
from ml_pipeline.api.stage_process import StageProcess
from ml_pipeline.errors import NothingToDo, PipelineError, StageError, Terminated

log = logging.getLogger("ml_pipeline.api")
TRIES = 5
"""How often the end of an order is tried to be written to a store that does not answer, a beat apart."""
Found = TypeVar("Found")


class Work:
    """An order that this worker took. `beat` is the time between two signs of life, s."""

    def __init__(self, order: Order, book: OrderBook, process: StageProcess, beat: float) -> None:
        self.order, self.book, self.process, self.beat = order, book, process, beat
        self.began: dt.datetime | None = None
        self.progress = Progress()
        self.why = ""

    async def carry_out(self, slots: Slots) -> None:
        """From its turn to its end; returns when that is written down."""
        beats = asyncio.create_task(self._beats())
        try:
            outcome = await self._in_turn(slots)
        except Exception as error:
            log.exception("the run %s broke off", self.order.id)
            outcome = self._ended("failed", StageError("the run broke off", given=type(error).__name__).as_dict())
        finally:
            beats.cancel()
        await self._write_down(outcome)

    def stop(self, why: str) -> None:
        """End it, wherever it is."""
        self.why = self.why or why
        self.process.stop()

    async def _in_turn(self, slots: Slots) -> Outcome:
        place = await slots.wait(self.process.stopped)
        if place is None:
            return self._ended("cancelled", self._stopped())
        with place:
            self.began = _now()
            log.info("the run %s begins: %s of %s", self.order.id, self.order.service, self.order.request.use_case)
            await _tried(self._say)
            code, error = await self.process.run(self._heard)
        results = await asyncio.to_thread(self.book.results, self.order)
        return msgspec.structs.replace(self._closed(code, error), results=results)

    def _closed(self, code: int, error: dict[str, Any] | None) -> Outcome:
        if code == 0:
            return self._ended("done", None)
        if code == NothingToDo.exit_code:
            return self._ended("skipped", error)
        if self.why:
            return self._ended("cancelled", self._stopped())
        owed = StageError(f"the stage ended with exit code {code} and said nothing", do="read the server's log")
        return self._ended("failed", error or owed.as_dict())

    def _ended(self, state: State, error: dict[str, Any] | None) -> Outcome:
        return Outcome(state=state, at=_now(), began=self.began, error=error)

    def _stopped(self) -> dict[str, Any]:
        return Terminated("the run was stopped", given=self.why, do="order it again").as_dict()

    def _heard(self, progress: Progress) -> None:
        self.progress = progress

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(self.beat)
            await _tried(self._say)
            if by := await _tried(lambda: asyncio.to_thread(self.book.cancelled_by, self.order.id)):
                self.stop(f"by {by}")

    async def _say(self) -> None:
        beat = Beat(at=_now(), began=self.began, progress=self.progress)
        await asyncio.to_thread(self.book.beat, self.order.id, beat)

    async def _write_down(self, outcome: Outcome) -> None:
        log.info("the run %s is %s", self.order.id, outcome.state)
        for _ in range(TRIES):
            if await _tried(lambda: self._end(outcome)):
                return
            await asyncio.sleep(self.beat)

    async def _end(self, outcome: Outcome) -> bool:
        await asyncio.to_thread(self.book.end, self.order.id, outcome)
        return True


async def _tried(work: Callable[[], Awaitable[Found]]) -> Found | None:
    """What the store answers; nothing where it does not."""
    try:
        return await work()
    except PipelineError as error:
        log.warning("%s", error)
        return None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
