"""Watching something that runs elsewhere: pass on its lines, notice its end, stop it when told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from ml_pipeline_airflow.transcript import Transcript

POLL = 0.2
"""Seconds between two looks at a silent execution."""

DRAIN = 2.0
"""Seconds that the rest of the lines may take once the execution has ended."""

GRACE = 2
"""Seconds between asking an execution to stop and forcing it: Airflow itself forces its task after five."""


class Line(NamedTuple):
    """What a stage said, and when (ISO 8601, UTC; empty where nobody wrote it down)."""

    text: str
    at: str = ""


class Execution(Protocol):
    """A stage that was started: `attempt` is the one of whoever started it, whose result it owes."""

    attempt: str

    def lines(self) -> Iterator[Line]:
        """Its lines as they come; ends when they do, or never."""

    def all_lines(self) -> list[Line]:
        """All its lines once more, after it has ended; none where they are not kept."""

    def exit_code(self) -> int | None:
        """None while it runs."""

    def stop(self) -> None:
        """Ask it to end, force it after `GRACE` seconds; no error where it has ended already."""

    def post_mortem(self) -> str:
        """What is known about a bad end that the stage could not say itself."""

    def given_up(self) -> bool:
        """Whether it was taken over from an earlier try, and whoever made that try has stopped it since."""


def watch(execution: Execution, transcript: Transcript, killed: Callable[[], bool]) -> int:
    """Follow an execution to its end and return its exit code.

    Its end is seen by asking, not by the end of its lines: the log stream of a container that exits at once may never
    end. `killed` is asked between any two lines, so nothing else need happen when a signal comes.
    """
    queue: SimpleQueue[Line | None] = SimpleQueue()
    threading.Thread(target=_read, args=(execution, queue), daemon=True).start()
    asked = time.monotonic()
    while _pass_on(queue, transcript, POLL):
        if killed():
            execution.stop()
        if time.monotonic() - asked >= POLL:
            asked = time.monotonic()
            if execution.exit_code() is not None:
                _drain(queue, transcript)
                break
    code = _end(execution, transcript, killed)
    catch_up(execution, transcript)
    return code


def catch_up(execution: Execution, transcript: Transcript) -> None:
    """Add the lines of an execution that has ended which have not come yet."""
    for line in execution.all_lines()[transcript.seen :]:
        transcript.add(*line)


def _read(execution: Execution, queue: SimpleQueue[Line | None]) -> None:
    try:
        for line in execution.lines():
            queue.put(line)
    finally:
        queue.put(None)


def _pass_on(queue: SimpleQueue[Line | None], transcript: Transcript, wait: float) -> bool:
    """Add the next line, if one comes in time; False when there will be none any more."""
    try:
        line = queue.get(timeout=wait)
    except Empty:
        transcript.beat()
        return True
    if line is None:
        return False
    transcript.add(*line)
    return True


def _drain(queue: SimpleQueue[Line | None], transcript: Transcript) -> None:
    end = time.monotonic() + DRAIN
    while (left := end - time.monotonic()) > 0 and _pass_on(queue, transcript, left):
        pass


def _end(execution: Execution, transcript: Transcript, killed: Callable[[], bool]) -> int:
    """Wait for the exit code: a stream may end, or break off, before what wrote it does."""
    while (code := execution.exit_code()) is None:
        if killed():
            execution.stop()
        transcript.beat()
        time.sleep(POLL / 4)
    return code
