"""A stage that something else runs, an engine or a cluster, which may be away for a while when it is asked."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress

from ml_pipeline.errors import StageError
from ml_pipeline_airflow.execution import POLL, Line

PATIENCE = 60.0
"""Seconds that what runs a stage may be away, such as for a restart, before the stage is given up."""

STOPPED = {137: "killed", 143: "told to stop"}
"""Exit codes of what did not end by itself."""


class Gone(Exception):
    """What ran the stage is there no more."""


class Away(Exception):
    """Whoever runs the stage does not answer."""


class Remote(ABC):
    """An execution whose state is asked for; stopping and removing it is no error if it is gone already.

    Args:
        attempt: the one of whoever started it.
        adopted: whether an earlier try has started it.
    """

    kind: str
    """What it is called, such as container."""

    host: str
    """Who runs it, and `mend`: what to do where that does not answer."""

    mend: str

    pace = 0.0
    """Seconds between two questions to who runs it, at least."""

    def __init__(self, attempt: str, *, adopted: bool) -> None:
        self.attempt, self.adopted = attempt, adopted
        self.code: int | None = None
        self.ends: list[str] = []
        self.told_to_stop = self.out_of_memory = False
        self._last: list[Line] = []
        self._asked = 0.0
        self._away_since = self._longest_away = 0.0

    @abstractmethod
    def look(self) -> None:
        """Ask for its state, and set the exit code where it has ended.

        Raises:
            Gone: it is not there.
            Away: there is no answer.
        """

    @abstractmethod
    def recorded(self) -> Iterator[Line]:
        """All its lines there are.

        Raises:
            Away: there is no answer.
        """

    @abstractmethod
    def lines(self) -> Iterator[Line]:
        """Its lines as they come, each once."""

    def all_lines(self) -> list[Line]:
        """All lines once more; where it is gone, those that were there when all were asked for before."""
        with suppress(Away):
            self._last = list(self.recorded()) or self._last
        return self._last

    def exit_code(self) -> int | None:
        """None while it runs, and while nobody answers but not for long; 137 where somebody removed it.

        Raises:
            StageError: there is no answer any more, or it cannot run.
        """
        if self.code is None and time.monotonic() - self._asked >= self.pace:
            self._asked = time.monotonic()
            try:
                self.look()
            except Gone:
                self._be_gone()
            except Away as error:
                self._wait(error)
            else:
                self._away_since = 0.0
        return self.code

    def given_up(self) -> bool:
        """Whether it was taken over from an earlier try, and whoever made that try has stopped it since."""
        return self.adopted and self.code in STOPPED and not (self.told_to_stop or self.out_of_memory)

    def ran_out_of(self, memory: str) -> None:
        """Say why it was killed."""
        self.out_of_memory = True
        self.ends.append(
            f"The {self.kind} ran out of its memory of {memory}."
            " To do: raise resources.memory in pipeline.yaml, or give fewer processors."
        )

    def was_stopped(self, by: str) -> None:
        """Say that its end came from outside, if it did."""
        if self.code in STOPPED and not self.told_to_stop:
            away = f" The {self.host} was away for {self._longest_away:.0f} s." if self._longest_away else ""
            self.ends.append(f"The {self.kind} was {STOPPED[self.code]} from outside: {by}.{away}")

    def _be_gone(self) -> None:
        self.code = 137
        self.ends.append(f"Somebody removed the {self.kind} while it ran.")

    def _wait(self, error: Exception) -> None:
        now = time.monotonic()
        self._away_since = self._away_since or now
        self._longest_away = max(self._longest_away, now - self._away_since, POLL)
        if self.told_to_stop or now - self._away_since > PATIENCE:
            raise StageError(
                f"the {self.host} stopped answering while the stage ran",
                given=str(error)[:200],
                do=f"{self.mend}; the next try takes the {self.kind} over, or removes it",
            ) from error


class Followed(Remote):
    """One whose lines come as a stream that ends with it, or breaks."""

    _read = 0

    @abstractmethod
    def followed(self) -> Iterator[Line]:
        """Its lines from the first on, as they come.

        Raises:
            Away: the stream broke.
        """

    @abstractmethod
    def runs(self) -> bool:
        """Whether it runs at this moment.

        Raises:
            Away: there is no answer.
        """

    def lines(self) -> Iterator[Line]:
        """Its lines as they come, each once, also where whoever runs it went and came back."""
        while True:
            with suppress(Away):
                for at, line in enumerate(self.followed()):
                    if at >= self._read:
                        self._read = at + 1
                        yield line
                if not self.runs():
                    return
            if self.code is not None or self.told_to_stop:
                return
            time.sleep(max(POLL, self.pace))


def size(memory: int) -> str:
    """Bytes as pipeline.yaml writes them."""
    return f"{memory >> 30}GB" if memory and memory % (1 << 30) == 0 else f"{memory >> 20}MB"


def whole_lines(messages: Iterable[bytes]) -> Iterator[Line]:
    """Each message is a line, or, of a long one, a part; all begin with a time."""
    rest, at = b"", ""
    for message in messages:
        stamp, _, said = message.partition(b" ")
        at = at or f"{stamp.decode()[:26]}Z"  # nanoseconds are too many for Airflow
        rest += said
        if rest.endswith(b"\n"):
            yield Line(rest[:-1].decode(errors="replace"), at)
            rest, at = b"", ""
    if rest:
        yield Line(rest.decode(errors="replace"), at)
