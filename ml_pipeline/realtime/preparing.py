"""A chain of functions that a request's records go through, and what became of each of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ml_pipeline.chain import REJECTED, Links, Preparation, check_links, flow, split_rejected
from ml_pipeline.columns import Category, Column, Columns, as_column, concat, count, take
from ml_pipeline.realtime.raw_records import PLACE
from ml_pipeline.realtime.set_aside import SetAside
from ml_pipeline.templates import NO_PARAMETERS, BaseModel

LEFT_OUT = "the record is not in question: the preparation leaves it out"


class Preparing:
    """A preparation in which `PLACE` goes along, so that rows which leave it are known.

    One that is no plain chain of functions is asked again record by record when rows have left it.
    """

    def __init__(self, preparation: Any) -> None:
        self.preparation, self.links = preparation, _with_place(preparation)
        self.parameters = preparation.parameters if isinstance(preparation, BaseModel) else NO_PARAMETERS

    def check(self, available: Iterable[str]) -> None:
        """Raises: ChainError: a link lacks a column."""
        if self.links:
            check_links(self.links, [*available, PLACE])

    def __call__(self, columns: Columns) -> tuple[dict[str, Column], list[SetAside]]:
        """The good rows, and why the others are none."""
        good, reasons = _set_apart(flow(self.links, columns)) if self.links else self._asked(columns)
        if count(good) == count(columns):
            return good, []
        left = set(places(columns)) - set(places(good)) - reasons.keys()
        reasons |= dict.fromkeys(left, LEFT_OUT)
        return good, [SetAside(place, reason) for place, reason in sorted(reasons.items())]

    def _asked(self, columns: Columns) -> tuple[dict[str, Column], dict[int, str]]:
        """By a preparation of another make, which knows nothing of places."""
        own = {name: column for name, column in columns.items() if name != PLACE}
        made = {name: as_column(column) for name, column in self.preparation.transform(own, self.parameters).items()}
        if count(made) == count(columns):
            return _set_apart({**made, PLACE: columns[PLACE]})
        if count(columns) == 1:
            return {**made, PLACE: np.zeros(0)}, {}
        alone = [self._asked(take(columns, slice(row, row + 1))) for row in range(count(columns))]
        return concat([good for good, _ in alone]), {place: why for _, bad in alone for place, why in bad.items()}


def places(columns: Columns) -> list[int]:
    """The place of each row's record in the request."""
    found: list[int] = np.asarray(columns[PLACE], np.int64).tolist()
    return found


def _with_place(preparation: Any) -> Links:
    """The links of a plain chain, `PLACE` kept to its end."""
    if not (isinstance(preparation, type) and issubclass(preparation, Preparation)):
        return ()
    if preparation.transform.__func__ is not Preparation.transform.__func__:  # type: ignore[attr-defined]
        return ()
    return tuple(replace(link, writes=(*link.writes, PLACE)) if link.keeps else link for link in preparation.steps)


def _set_apart(made: Columns) -> tuple[dict[str, Column], dict[int, str]]:
    """Good rows, and the reason of every rejected one by its place."""
    good, bad = split_rejected(made)
    reasons = bad.get(REJECTED)
    if not isinstance(reasons, Category):
        return good, {}
    return good, dict(zip(places(bad), map(str, reasons.values()), strict=True))
