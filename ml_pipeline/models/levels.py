"""Keep the levels of a category that are frequent enough to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, cast

import numpy as np

from ml_pipeline.columns import Category, Column, Columns, Floats
from ml_pipeline.models.encoder import Encoder
from ml_pipeline.templates import NO_PARAMETERS, Parameters

OTHER = "(other)"
"""The level of all that is rare, unknown or missing."""
Counts: TypeAlias = Mapping[str, Mapping[str, int]]
"""Per column the rows of every level."""


class Levels(Encoder):
    """Recode categories to the levels seen `rare` times or more in training, by name, and a last one, `OTHER`.

    What is rare, unknown or missing becomes `OTHER`. The column stays a `Category`. Learns `levels`: per column a
    mapping of each level to its code.
    """

    learns = True
    accepts = ("category",)

    @classmethod
    def start(cls, *columns: str, rare: int = 50) -> Parameters:
        """`rare`: training rows that a level must have to be kept."""
        return {"columns": list(columns), "rare": rare}

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> dict[str, Column]:
        new = {
            name: _recode(cast(Category, cls.read(x, name)), levels) for name, levels in parameters["levels"].items()
        }
        return {**x, **new}

    @classmethod
    def counts(cls, column: Category) -> dict[str, int]:
        """Rows of every level that occurs."""
        counts = np.bincount(column.codes + 1, minlength=len(column.vocabulary) + 1)[1:].tolist()
        return {word: rows for word, rows in zip(column.vocabulary, counts, strict=True) if rows}

    @classmethod
    def fitted(cls, parameters: Parameters) -> bool:
        return "levels" in parameters

    @classmethod
    def accumulate(cls, parameters: Parameters, x: Columns, y: Floats) -> Counts:
        return {name: cls.counts(cast(Category, column)) for name, column in cls.chosen(parameters, x).items()}

    @classmethod
    def merge(cls, a: Counts | None, b: Counts | None) -> Counts | None:
        """The rows of every level of either."""
        if a is None or b is None:
            return b if a is None else a
        return {name: _added(a[name], b[name]) for name in a}

    @classmethod
    def update(cls, parameters: Parameters, statistics: Counts) -> Parameters:
        levels = {name: _frequent(counts, parameters["rare"]) for name, counts in statistics.items()}
        return {**parameters, "levels": levels}


def _recode(column: Category, levels: Mapping[str, int]) -> Category:
    if len(column) <= len(levels):
        return Category.of([word if word in levels else OTHER for word in column.values()])
    return column.recode(tuple(levels), levels[OTHER], levels[OTHER])


def _added(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {**a, **{word: a.get(word, 0) + rows for word, rows in b.items()}}


def _frequent(counts: Mapping[str, int], rare: int) -> dict[str, int]:
    """The code of each word that `rare` rows or more have, by name, and of `OTHER`, the last."""
    words = sorted(word for word, rows in counts.items() if rows >= rare and word != OTHER)
    return {word: code for code, word in enumerate([*words, OTHER])}
