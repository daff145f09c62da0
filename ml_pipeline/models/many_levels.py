"""Categories of which a row may have several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from ml_pipeline.columns import Bag, Category, Columns
from ml_pipeline.models.levels import OTHER, Levels
from ml_pipeline.templates import NO_PARAMETERS, Parameters


class ManyLevels(Levels):
    """Levels of lists of words, one entry a line: a bag of the same name, over the levels that are frequent enough.

    Those are the words in the lists of `rare` training rows or more, by name, and a last one, `OTHER`, which a row
    has that lists at least one rare or unknown word. Space around an entry is no part of it. A missing or empty list
    gives an empty row.
    """

    gives = "bag"

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> dict[str, Any]:
        learnt = parameters["levels"].items()
        return {**x, **{name: _bag(cast(Category, cls.read(x, name)), levels) for name, levels in learnt}}

    @classmethod
    def counts(cls, column: Category) -> dict[str, int]:
        """Rows that list each word."""
        lists, place = column.distinct()
        counts: dict[str, int] = {}
        for text, rows in zip(lists, np.bincount(place, minlength=len(lists)).tolist(), strict=True):
            for entry in _entries(text):
                counts[entry] = counts.get(entry, 0) + rows
        return counts


def _bag(column: Category, levels: Mapping[str, int]) -> Bag:
    """Each distinct list once, then row by row."""
    lists, place = column.distinct()
    places = [sorted({levels.get(entry, levels[OTHER]) for entry in _entries(text)}) for text in lists]
    return Bag.of([len(each) for each in places], _joined(places), len(levels), tuple(levels))[place]


def _entries(text: str) -> set[str]:
    return {entry.strip() for entry in text.split("\n")} - {""}


def _joined(places: Sequence[Sequence[int]]) -> list[int]:
    return [place for each in places for place in each]
