"""The book of orders: what was asked of a use case, how far it is, and how it ended; all of it in the store.

    <store>/<use case>/orders/<id>/order.json     created if absent, so an idempotency key never orders twice
                                  /beat.json      written again and again by the worker that has the order
                                  /cancel.json    somebody wants it to stop
                                  /outcome.json   created if absent: an order ends once
    <store>/<use case>/order_index/<moment>/<run id>/<id>   empty; the newest are found without opening any

Any worker of any server can answer for any order. One that is not over, and of which nothing was heard for some time,
is lost: its server is gone.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Literal, TypeVar

import msgspec

from ml_pipeline.artifacts.promotion_log import READERS
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import Mode, StageRequest, StageResult, run_key
from ml_pipeline.errors import IntegrityError, NotFoundError

State = Literal["queued", "running", "done", "skipped", "failed", "cancelled", "lost"]
ENDS: tuple[State, ...] = ("done", "skipped", "failed", "cancelled", "lost")
FOLDER, INDEX = "orders/", "order_index/"
Kept = TypeVar("Kept", bound=msgspec.Struct)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, when and by whom. `asked` is a digest of the question: a repeated key must ask the same."""

    id: str
    service: str
    request: StageRequest
    by: str
    ordered: dt.datetime
    asked: str


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The running step's present pass over its data."""

    step: str = ""
    done: int = 0
    of: int = 0


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """A sign of life of the worker that has the order."""

    at: dt.datetime
    began: dt.datetime | None = None
    progress: Progress = Progress()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an order ended. `error` is that of the command line."""

    state: State
    at: dt.datetime
    began: dt.datetime | None = None
    error: dict[str, Any] | None = None
    results: tuple[StageResult, ...] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """An order as callers see it. `seconds` since it began, or that it took."""

    id: str
    run_id: str
    use_case: str
    mode: Mode
    service: str
    stages: tuple[str, ...]
    as_of: dt.datetime
    state: State
    ordered: dt.datetime
    by: str
    seconds: float
    progress: Progress
    results: tuple[StageResult, ...]
    error: dict[str, Any] | None


class OrderBook:
    """The orders of one use case."""

    def __init__(self, room: Store, lost_after: float) -> None:
        self.room, self.lost_after = room, lost_after

    def place(self, order: Order) -> Order:
        """Write an order down; where one of this id is there already, that one."""
        if not self.room.create(_key(order.id, "order"), msgspec.json.encode(order)):
            return self.order(order.id)
        stamp = f"{order.ordered:%Y%m%dT%H%M%S.%fZ}"
        self.room.put(f"{INDEX}{stamp}/{order.request.run_id}/{order.id}", b"")
        return order

    def order(self, name: str) -> Order:
        """What was asked.

        Raises:
            NotFoundError: there is no such order.
        """
        found = self._read(name, "order", Order)
        if found is None:
            raise no_run(name)
        return found

    def find(self, name: str) -> Order | None:
        """What was asked, if there is such an order."""
        return self._read(name, "order", Order)

    def beat(self, name: str, beat: Beat) -> None:
        """Say that the order is still in good hands."""
        self.room.put(_key(name, "beat"), msgspec.json.encode(beat))

    def ask_to_cancel(self, name: str, by: str) -> None:
        """Whoever has the order is to stop it."""
        self.room.create(_key(name, "cancel"), msgspec.json.encode({"by": by}))

    def cancelled_by(self, name: str) -> str:
        """Who wants it to stop; "" for nobody."""
        try:
            found: dict[str, str] = msgspec.json.decode(self.room.get(_key(name, "cancel")))
        except NotFoundError:
            return ""
        return found["by"]

    def end(self, name: str, outcome: Outcome) -> None:
        """Write down how it ended; the first one counts."""
        self.room.create(_key(name, "outcome"), msgspec.json.encode(outcome))

    def results(self, order: Order) -> tuple[StageResult, ...]:
        """What the steps of an order have left so far."""
        found = []
        for step in order.request.stages:
            try:
                content = self.room.get(run_key(order.request.run_id, step))
            except NotFoundError:
                continue
            result = msgspec.json.decode(content, type=StageResult)
            if result.attempt == order.request.attempt:
                found.append(result)
        return tuple(found)

    def run(self, name: str) -> Run:
        """All that is known of an order.

        Raises:
            NotFoundError: there is no such order.
        """
        order, outcome = self.order(name), self._read(name, "outcome", Outcome)
        beat = self._read(name, "beat", Beat) or Beat(at=order.ordered)
        now = dt.datetime.now(dt.UTC)
        if outcome:
            state, began, until, results, error = (
                outcome.state, outcome.began, outcome.at, outcome.results, outcome.error,
            )  # fmt: skip
        else:
            state, began, until, results, error = self._state(beat, now), beat.began, now, self.results(order), None
        return Run(
            id=order.id, run_id=order.request.run_id, use_case=order.request.use_case, mode=order.request.mode,
            service=order.service, stages=order.request.stages, as_of=order.request.as_of, state=state,
            ordered=order.ordered, by=order.by, seconds=round((until - began).total_seconds(), 3) if began else 0.0,
            progress=beat.progress, results=results, error=error,
        )  # fmt: skip

    def newest(self, most: int, run_id: str = "") -> list[Run]:
        """The last orders, the newest first; of one run only, if it is named."""
        listed = (key.split("/")[2:] for key in reversed(self.room.keys(INDEX)))
        names = [name for _, name in islice((own for own in listed if not run_id or own[0] == run_id), most)]
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self.run, names))

    def _state(self, beat: Beat, now: dt.datetime) -> State:
        if (now - beat.at).total_seconds() > self.lost_after:
            return "lost"
        return "running" if beat.began else "queued"

    def _read(self, name: str, part: str, kind: type[Kept]) -> Kept | None:
        key = _key(name, part)
        try:
            return msgspec.json.decode(self.room.get(key), type=kind)
        except NotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise IntegrityError(
                "this is no order", given=f"{self.room.address(key)}: {error}", do="delete the folder it lies in"
            ) from error


def new_id(use_case: str, by: str, key: str) -> str:
    """A name for an order: with an idempotency key always the same for the same caller, else one that nothing has."""
    own = hashlib.sha256(f"{by}\n{key}".encode()).hexdigest()[:16] if key else secrets.token_hex(8)
    return f"{use_case}-{own}"


def no_run(name: str) -> NotFoundError:
    """There is none of this name."""
    return NotFoundError("there is no such run", given=name, do="GET /runs lists those there are")


def _key(name: str, part: str) -> str:
    return f"{FOLDER}{name}/{part}.json"
