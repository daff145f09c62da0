from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
from ml_pipeline_airflow import execution
from ml_pipeline_airflow.execution import Line
from ml_pipeline_airflow.transcript import Transcript

LINES = [Line("12:00:00 INFO one"), Line("12:00:00 INFO two"), Line("12:00:00 INFO three")]

TEXTS = [line.text for line in LINES]


class Fake:
    """An execution whose stream gives `shown` of its lines, then ends, breaks or hangs."""

    attempt = "1"

    def __init__(
        self, shown: int, *, hangs: bool = False, breaks: bool = False, codes: tuple[int | None, ...] = (0,)
    ) -> None:
        self.shown, self.hangs, self.breaks, self.codes = shown, hangs, breaks, list(codes)
        self.stopped = 0

    def lines(self) -> Iterator[Line]:
        yield from LINES[: self.shown]
        if self.hangs:
            threading.Event().wait()
        if self.breaks:
            raise ConnectionError

    def all_lines(self) -> list[Line]:
        return LINES

    def exit_code(self) -> int | None:
        return self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]

    def post_mortem(self) -> str:
        return ""

    def given_up(self) -> bool:
        return False

    def stop(self) -> None:
        self.stopped += 1
        self.codes = [0]


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "POLL", 0.01)
    monkeypatch.setattr(execution, "DRAIN", 0.05)


def watched(fake: Fake, *, killed: bool = False) -> tuple[int, list[str]]:
    transcript = Transcript(logging.getLogger("test"))
    code = execution.watch(fake, transcript, lambda: killed)
    return code, list(transcript.tail)


@pytest.mark.parametrize("shown", [0, 1, 3])
@pytest.mark.parametrize("codes", [(3,), (None, None, 3)])
def test_every_line_is_seen_once_even_if_the_stream_hangs(shown: int, codes: tuple[int | None, ...]) -> None:
    assert watched(Fake(shown, hangs=True, codes=codes)) == (3, TEXTS)


def test_a_stream_that_ends_early_does_not_end_the_watch() -> None:
    assert watched(Fake(2, codes=(None, None, 5))) == (5, TEXTS)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stream_that_breaks_does_not_end_the_watch() -> None:
    assert watched(Fake(1, breaks=True, codes=(None, None, 5))) == (5, TEXTS)


@pytest.mark.parametrize("hangs", [True, False])
def test_a_kill_stops_the_execution(hangs: bool) -> None:
    fake = Fake(1, hangs=hangs, codes=(None,))
    assert watched(fake, killed=True)[0] == 0
    assert fake.stopped
