from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from ml_pipeline_airflow import transcript
from ml_pipeline_airflow.transcript import TAIL, Transcript


class Log:
    """Remembers what was logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

        self.times: list[str] = []

    def log(self, level: int, message: str, **more: str) -> None:
        self.lines.append((level, message))
        self.times.append(more.get("timestamp", ""))

    def info(self, message: str, *numbers: float) -> None:
        self.lines.append((logging.INFO, message % numbers))


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        ("12:00:00 WARNING three rows set aside\n", logging.WARNING, "three rows set aside"),
        ("2013-09-01 12:00:00,123 ERROR broke", logging.ERROR, "broke"),
        ("2013-09-01T12:00:00Z info  done", logging.INFO, "done"),
        ("Traceback (most recent call last):", logging.INFO, "Traceback (most recent call last):"),
        ("{not json", logging.INFO, "{not json"),
    ],
)
def test_a_line_keeps_its_level(line: str, level: int, message: str) -> None:
    log = Log()
    Transcript(log).add(line)
    assert log.lines == [(level, message)]


def test_the_error_becomes_the_stages_own_sentence() -> None:
    error: dict[str, Any] = {
        "error": "SchemaError",
        "what": "a column is missing",
        "given": "a",
        "expected": "b",
        "do": "add b",
    }
    log = Log()
    said = Transcript(log)
    said.add(json.dumps(error))
    assert said.sentence() == "SchemaError: a column is missing. Given: a. Expected: b. To do: add b"
    assert log.lines == []


def test_no_error_no_sentence_and_the_tail_stays_short() -> None:
    said = Transcript(Log())
    for number in range(3 * TAIL):
        said.add(f"12:00:00 INFO {number}")
    assert said.sentence() == ""
    assert len(said.tail) == TAIL
    assert said.seen == 3 * TAIL


def test_a_line_is_from_when_it_was_said() -> None:
    log = Log()
    Transcript(log).add("12:00:00 INFO done", "2013-09-01T12:00:00.000001Z")
    Transcript(log).add("12:00:00 INFO done")
    assert log.times == ["2013-09-01T12:00:00.000001Z", ""]


def test_a_silent_stage_is_said_to_be_at_work_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(transcript.time, "monotonic", lambda: now)
    log = Log()
    silent = Transcript(log)
    for seconds in (59, 60, 61, 119, 121, 130):
        now = 1000.0 + seconds
        silent.beat()
    assert [line for _, line in log.lines] == [
        "at work for 60 s, without a word for 60 s",
        "at work for 121 s, without a word for 121 s",
    ]
    silent.add("INFO a word")
    now += 59
    silent.beat()
    assert len(log.lines) == 3
