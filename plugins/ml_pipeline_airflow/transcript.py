"""What a stage says while it runs: lines with a level for the task log, and at its end perhaps an error."""

from __future__ import annotations

import json
import logging
import re
import time
from collections import deque
from typing import Any

from airflow.sdk._shared.secrets_masker import redact  # a run by `airflow dags test` does not do it to its log

PREFIX = re.compile(r"^\S+(?: [\d:.,]+\S*)? +(DEBUG|INFO|WARNING|ERROR|CRITICAL):? +(.*)$", re.IGNORECASE)
"""A time, perhaps in two words, a level and the message."""

TAIL = 20
"""Lines kept for the message of a stage that fails."""

SILENCE = 60.0
"""Seconds without a word after which the log says that the stage is at work, again and again."""


class Transcript:
    """The lines of one stage, passed on to a log as they come."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.seen = 0
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.error: dict[str, Any] = {}
        self._began = self._heard = self._beaten = time.monotonic()

    def add(self, line: str, at: str = "") -> None:
        """Log a line with its level and the time it is from, without secrets; the JSON of an error is kept instead."""
        self.seen += 1
        self._heard = time.monotonic()
        line = str(redact(line.rstrip()))
        error = _error(line)
        if error:
            self.error = error
        elif line:
            self.tail.append(line)
            level, message = _parse(line)
            self.log.log(level, message, **({"timestamp": at} if at else {}))

    def beat(self) -> None:
        """Say now and then that a silent stage is still at work."""
        now = time.monotonic()
        if now - max(self._heard, self._beaten) >= SILENCE:
            self._beaten = now
            self.log.info("at work for %.0f s, without a word for %.0f s", now - self._began, now - self._heard)

    def sentence(self) -> str:
        """The stage's own words about what went wrong; empty if it had none."""
        if not self.error:
            return ""
        from ml_pipeline.errors import PipelineError

        parts = {key: self.error.get(key, "") for key in ("given", "expected", "do")}
        return f"{self.error['error']}: {PipelineError(self.error['what'], **parts)}"


def _error(line: str) -> dict[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if {"error", "what"} <= found.keys() else {}


def _parse(line: str) -> tuple[int, str]:
    match = PREFIX.match(line)
    if not match:
        return logging.INFO, line
    return logging.getLevelNamesMapping()[match[1].upper()], match[2]
