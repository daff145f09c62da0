from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from ml_pipeline_airflow.transcript import TAIL, Transcript


class Log:
    """Remembers what was logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def log(self, level: int, message: str) -> None:
        self.lines.append((level, message))


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
    transcript = Transcript(log)
    transcript.add(json.dumps(error))
    assert transcript.sentence() == "SchemaError: a column is missing. Given: a. Expected: b. To do: add b"
    assert log.lines == []


def test_no_error_no_sentence_and_the_tail_stays_short() -> None:
    transcript = Transcript(Log())
    for number in range(3 * TAIL):
        transcript.add(f"12:00:00 INFO {number}")
    assert transcript.sentence() == ""
    assert len(transcript.tail) == TAIL
    assert transcript.seen == 3 * TAIL
