"""What one scoring run saw of its data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

COMBINED = "combined"
"""Stands where a source does, for the rows that were scored."""


def called(source: str) -> str:
    """A source in a sentence."""
    return "The rows that were scored" if source == COMBINED else source


class Visit(NamedTuple):
    """What one scoring run saw, as far as anything tells.

    `measures` are by source and name, those of `MEASURES`; `set_aside` by step the records that were, and all that were
    new to it; `kinds` by source those of its columns.
    """

    as_of: dt.datetime
    measures: Mapping[tuple[str, str], float]
    set_aside: Mapping[str, tuple[int, int]] = {}
    kinds: Mapping[str, Mapping[str, str]] = {}

    @property
    def when(self) -> str:
        """As in sentences."""
        return f"{self.as_of:%Y-%m-%d %H:%M}"
