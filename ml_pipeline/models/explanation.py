"""Why a row scored as it did: what adds most to its linear score and what takes most from it, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Column, Columns, Floats, count, take
from ml_pipeline.errors import ChainError
from ml_pipeline.models.effects import Effects, Places, effects
from ml_pipeline.models.linear_model import LinearModel
from ml_pipeline.templates import Parameters

EFFECTS = 1 << 21
"""Effects compared together, 16 MB, of as many rows as have so many."""
LEAST = 0.005
"""What adds less would be shown as 0.00, which is no reason."""
SIGNS = {"speaks_for": 1.0, "speaks_against": -1.0}


class Picks(NamedTuple):
    """Reasons that were chosen: of which row, the place among all effects of the row, and how much it adds."""

    rows: Places
    places: Places
    amounts: Floats


def reasons(model: type[Chain], x: Columns, parameters: Parameters, most: int) -> dict[str, Column]:
    """Two columns of text, `speaks_for` and `speaks_against`: up to `most` reasons a row, one a line.

    The strongest comes first, and of equal ones the first by name: `seats 189 (+0.42)`, `carrier UA (+0.31)`,
    `carrier and origin UA x JFK (+0.20)`, `criteria "age limit" (+0.12)`, `wind speed missing (+0.09)`. Names
    (underscores as spaces) and values are those of the chain's inputs, and what was hashed is said as it was before;
    amounts are in the unit of the score. A row without a reason has no text. Of several classes, the reasons are those
    of the most probable one. Row i of the answer depends on row i alone.

    Raises:
        ChainError: the chain's estimator is not a linear model, or a column is missing.
    """
    if not isinstance(model.estimator, LinearModel):
        raise ChainError(
            f"{model.__name__} cannot give reasons for its scores",
            given=f"{type(model.estimator).__name__} as its estimator",
            expected="a linear model, such as LogisticRegression",
            do="take one, or ask for no reasons",
        )
    if classes := model.estimator.classes(parameters["estimator"]):
        return _of_classes(model, x, parameters, most, classes)
    return dict(_of_score(model, x, parameters, most))


def _of_classes(
    model: type[Chain], x: Columns, parameters: Parameters, most: int, classes: Sequence[str]
) -> dict[str, Column]:
    """The reasons for the score of each row's most probable class."""
    best, estimator = model.transform(x, parameters).argmax(axis=1), parameters["estimator"]
    texts = {name: np.full(len(best), None, object) for name in SIGNS}
    for place, name in enumerate(classes):
        rows = np.flatnonzero(best == place)
        own = {part: estimator[part][name] for part in ("bias", "coefficients")}
        found = _of_score(model, take(x, rows), {**parameters, "estimator": {**estimator, **own}}, most)
        for sign, column in found.items():
            texts[sign][rows] = column.values()
    return {sign: Category.of(column.tolist()) for sign, column in texts.items()}


def _of_score(model: type[Chain], x: Columns, parameters: Parameters, most: int) -> Mapping[str, Category]:
    """The reasons for a single score."""
    found, rows = effects(model, x, parameters), count(x)
    chosen: dict[str, list[Picks]] = {name: [] for name in SIGNS}
    step = max(1, EFFECTS // max(1, sum(each.width for each in found)))
    for start in range(0, rows, step):
        part = slice(start, min(start + step, rows))
        matrix = np.concatenate([np.zeros((part.stop - start, 0)), *(each.effects(part) for each in found)], axis=1)
        for name, sign in SIGNS.items():
            chosen[name] += _strongest(matrix * sign, most, start, sign)
    return {name: _texts(found, _joined(picks), rows) for name, picks in chosen.items()}


def _strongest(matrix: Floats, most: int, start: int, sign: float) -> Iterator[Picks]:
    """The largest of each row of `matrix`, which is used up, then the next; of equal ones the first."""
    rows = np.arange(len(matrix))
    for _ in range(min(most, matrix.shape[1])):
        places = matrix.argmax(axis=1)
        amounts = matrix[rows, places]
        matrix[rows, places] = -np.inf
        good = amounts >= LEAST
        yield Picks(rows[good] + start, places[good], amounts[good] * sign)


def _joined(picks: Sequence[Picks]) -> Picks:
    """All of them row by row, the strongest of a row first, as they came."""
    none = Picks(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))
    rows, places, amounts = (np.concatenate(parts) for parts in zip(none, *picks, strict=True))
    order = np.argsort(rows, kind="stable")
    return Picks(rows[order], places[order], amounts[order])


def _texts(found: Sequence[Effects], picks: Picks, rows: int) -> Category:
    lines = _lines(found, picks)
    ends = np.searchsorted(picks.rows, np.arange(rows + 1)).tolist()
    return Category.of(["\n".join(lines[a:b]) or None for a, b in pairwise(ends)])


def _lines(found: Sequence[Effects], picks: Picks) -> list[str]:
    """Every reason in words, on one line whatever the words hold."""
    said = np.empty(len(picks.rows), object)
    start = 0
    for each in found:
        own = np.flatnonzero((picks.places >= start) & (picks.places < start + each.width))
        said[own] = each.say(picks.rows[own], picks.places[own] - start)
        start += each.width
    return [
        f"{' '.join(words.split())} ({amount:+.2f})"
        for words, amount in zip(said.tolist(), picks.amounts.tolist(), strict=True)
    ]
