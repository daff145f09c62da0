"""What a stage says while it runs: lines with a level for the task log, and at its end perhaps an error."""

from __future__ import annotations

import json
import logging
import re
from collections import deque
from typing import Any

PREFIX = re.compile(r"^\S+(?: [\d:.,]+\S*)? +(DEBUG|INFO|WARNING|ERROR|CRITICAL):? +(.*)$", re.IGNORECASE)
"""A time, perhaps in two words, a level and the message."""

TAIL = 20
"""Lines kept for the message of a stage that dies without saying why."""


class Transcript:
    """The lines of one stage, passed on to a log as they come."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.seen = 0
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.error: dict[str, Any] = {}

    def add(self, line: str) -> None:
        """Log a line with the level it bears; the JSON of an error is kept instead."""
        self.seen += 1
        line = line.rstrip()
        error = _error(line)
        if error:
            self.error = error
        elif line:
            self.tail.append(line)
            level, message = _parse(line)
            self.log.log(level, message)

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
