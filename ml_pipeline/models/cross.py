"""Let a linear model see what goes together: several categories as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import MISSING, Category, Column, Columns, Kind, occurring
from ml_pipeline.errors import ChainError
from ml_pipeline.models.encoder import Encoder
from ml_pipeline.templates import NO_PARAMETERS, Parameters

BETWEEN = " x "
"""What stands between the words of a combination, as in `UA x LAX`."""
Places = npt.NDArray[np.intp]


class Cross(Encoder):
    """The combinations of two or more categories, as one more category that is named after them.

    `Cross("carrier", "origin")` gives `carrier_and_origin`, with words such as `UA x JFK`. A row that lacks one of them
    has none. Learns nothing: a `Levels` behind it keeps the frequent combinations, a `HashedLevels` gives any number of
    them a bucket. Before the `Levels` of its own columns it crosses all their words, behind it those that were kept.
    """

    accepts = ("category",)

    @classmethod
    def start(cls, *columns: str) -> Parameters:
        if len(set(columns)) < max(2, len(columns)):
            raise ChainError(
                "Cross cannot combine these columns",
                given=", ".join(columns) or "none",
                expected="two or more different ones",
                do='name the categories, such as Cross("carrier", "origin")',
            )
        return {"columns": list(columns)}

    @classmethod
    def outputs(cls, parameters: Parameters, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
        return {**kinds, "_and_".join(cls.names(parameters, kinds)): "category"}

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> dict[str, Column]:
        crossed = _crossed([cast(Category, column) for column in cls.chosen(parameters, x).values()])
        return {**x, "_and_".join(parameters["columns"]): crossed}


def _crossed(columns: Sequence[Category]) -> Category:
    """Each distinct combination in words once, then row by row."""
    combinations, place = _combinations(columns)
    whole = np.min(combinations, axis=0) != MISSING
    words = [
        map(column.vocabulary.__getitem__, codes[whole].tolist())
        for column, codes in zip(columns, combinations, strict=True)
    ]
    # Two combinations may be spelt the same, so they are encoded like any other words.
    spelt = Category.of(list(map(BETWEEN.join, zip(*words, strict=True))))
    codes = np.full(len(whole), MISSING, np.int32)
    codes[whole] = spelt.codes
    return Category(codes[place], spelt.vocabulary)


def _combinations(columns: Sequence[Category]) -> tuple[list[Places], Places]:
    """Per column its code in each distinct combination, and for every row the place of its own."""
    first, *others = columns
    codes, place = occurring(first.codes, len(first.vocabulary))
    combinations = [codes]
    for column in others:
        size = len(column.vocabulary) + 1
        pairs, place = occurring(place * size + column.codes + 1, len(combinations[0]) * size)
        before, own = np.divmod(pairs, size)
        combinations = [*(each[before] for each in combinations), own - 1]
    return combinations, place
