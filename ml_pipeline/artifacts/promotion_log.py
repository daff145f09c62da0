"""The promotion log: which model became champion, when, by whom and why.

The log is append-only: entry n+1 is created only if it is absent, so of two promotions at once one wins and the other
is told. Moments never go back along the log, so that the champion of a moment is found by halving.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import msgspec

from ml_pipeline.artifacts import typed_yaml
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import IntegrityError, StageError

FOLDER = "promotions/"
READERS = 16
"""Entries that are fetched at once: the store answers many questions in the time of one."""
_ENDS: dict[str, int] = {}
"""The end of each log as it was found last; where it is there no more, it is looked for anew."""
LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the log: `to` became champion in place of `previous`, on a wall clock `at` (ISO 8601, UTC).

    `evidence` is the digest of the verdict. Entries from before moments were written down have none.
    """

    number: int
    to: str
    previous: str
    actor: str
    reason: str
    run: str
    as_of: str
    evidence: str
    at: str = ""
    kind: Literal["promote", "rollback"] = "promote"


class PromotionLog:
    """The log of one use case."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def entries(self) -> list[Promotion]:
        """The whole log, oldest first."""
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self.entry, self.numbers()))

    def newest(self, most: int) -> list[Promotion]:
        """The last entries, the newest first; a long log is not listed, its end is found by doubling and halving.

        Raises:
            IntegrityError: an entry is missing.
        """
        end = self._end()
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self.entry, range(end, max(end - most, 0), -1)))

    def last(self) -> Promotion | None:
        """The entry that counts."""
        numbers = self.numbers()
        return self.entry(numbers[-1]) if numbers else None

    def as_of(self, moment: dt.datetime) -> Promotion | None:
        """The entry that counted at a moment. It reads only as many entries as the log can be halved."""
        numbers = self.numbers()
        count = bisect_right(numbers, moment, key=lambda number: _moment(self.entry(number).at))
        return self.entry(numbers[count - 1]) if count else None

    def taken_back(self, version: str) -> Promotion | None:
        """The rollback from a model, if that is the last the log says of it: nobody made it champion since."""
        for entry in reversed(self.entries()):
            if entry.to == version:
                return None
            if entry.kind == "rollback" and entry.previous == version:
                return entry
        return None

    def append(self, entry: Promotion) -> Promotion:
        """Add an entry, and return it as it was written: where clocks differ, not before the entry ahead of it.

        Raises:
            StageError: another promotion was first, or the entry is not the next one.
        """
        last = self.last()
        at = max(_moment(entry.at), _moment(last.at if last else ""))
        written = msgspec.structs.replace(entry, at=as_text(at))
        if entry.number != (last.number if last else 0) + 1 or not self._create(written):
            raise StageError(
                "another promotion came first",
                given=f"{entry.to} as entry {entry.number}",
                expected=f"the log to end with entry {entry.number - 1}",
                do="evaluate again, against the new champion",
            )
        return written

    def numbers(self) -> list[int]:
        """The numbers of all entries, in order.

        Raises:
            IntegrityError: an entry is missing, or something else lies in the folder.
        """
        keys = self.store.keys(FOLDER)
        numbers = sorted(map(self._number, keys))
        for expected, number in enumerate(numbers, 1):
            if number != expected:
                raise IntegrityError(
                    "the promotion log has a gap",
                    given=f"no {self.store.address(key_of(expected))}, but {len(numbers)} entries up to {numbers[-1]}",
                    expected="entries 1, 2, 3, …",
                    do="restore the missing entry",
                )
        return numbers

    def entry(self, number: int) -> Promotion:
        """One entry.

        Raises:
            IntegrityError: it is not the one that was written.
        """
        key = key_of(number)
        found = typed_yaml.load(self.store.get(key), Promotion, self.store.address(key))
        if found.number != number or not _is_moment(found.at):
            raise IntegrityError(
                "this is another entry of a promotion log",
                given=f"{self.store.address(key)}: number {found.number}, at {found.at!r}",
                expected=f"number {number}, and a moment",
                do="restore the entry as it was written",
            )
        return found

    def _end(self) -> int:
        """The number of the last entry, 0 where there is none. A process looks on from the end that it found last."""
        place = self.store.address(FOLDER)
        known = _ENDS.get(place, 0)
        listed = self.store.keys(FOLDER, after=key_of(known - 1)) if known else []
        expected = [key_of(number) for number in range(known, known + len(listed))]
        end = known + len(listed) - 1 if listed and listed == expected else self._searched()
        _ENDS[place] = end
        return end

    def _searched(self) -> int:
        """The same by doubling and halving; whatever lies beyond it is looked at as a whole log."""
        beyond = 1
        while self.store.exists(key_of(beyond)):
            beyond *= 2
        gone = bisect_left(
            range(beyond // 2 + 1, beyond), True, key=lambda number: not self.store.exists(key_of(number))
        )
        end = beyond // 2 + gone
        if self.store.keys(FOLDER, after=key_of(end)):
            end = (self.numbers() or [0])[-1]
        return end

    def _number(self, key: str) -> int:
        stem = key.removeprefix(FOLDER).removesuffix(".yaml")
        number = int(stem) if stem.isascii() and stem.isdigit() else 0
        if key_of(number) != key or not number:
            raise IntegrityError(
                "something else lies in the promotion log",
                given=self.store.address(key),
                expected=f"files such as {key_of(1)}",
                do="look at what it is, and move it away",
            )
        return number

    def _create(self, entry: Promotion) -> bool:
        """Whether the log now holds the entry; also where an answer was lost, and asking again found it written."""
        key, content = key_of(entry.number), typed_yaml.dump(entry)
        return self.store.create(key, content) or self.store.get(key) == content


def key_of(number: int) -> str:
    """Where an entry lies."""
    return f"{FOLDER}{number:06d}.yaml"


def now() -> str:
    """This moment, as the log writes it."""
    return as_text(dt.datetime.now(dt.UTC))


def as_text(moment: dt.datetime) -> str:
    """In UTC and whole seconds, as people give moments to ask about; empty for one that is not known."""
    return "" if moment == LONG_AGO else moment.astimezone(dt.UTC).isoformat(timespec="seconds")


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text) if text else LONG_AGO


def _is_moment(text: str) -> bool:
    try:
        return _moment(text).tzinfo is not None
    except ValueError:
        return False


# msgspec looks into a type when it first decodes one, and crashes where several threads are first at once: here is one.
msgspec.json.Decoder(Promotion)
