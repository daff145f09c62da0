"""What each column of a row adds to a linear score, and how to say in words which column that is.

An effect is a coefficient times the value that the estimator sees, so after `Standardise` it counts from the mean.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from ml_pipeline.chain import Chain
from ml_pipeline.columns import Bag, Category, Column, Columns, Encoded, Floats, count, kind
from ml_pipeline.models.hashed_text import HashedText
from ml_pipeline.models.linear_predictor import Coefficients, per_place, score
from ml_pipeline.templates import Parameters, require

Places: TypeAlias = npt.NDArray[np.intp]
Text: TypeAlias = tuple[Category, Parameters]
"""A column that `HashedText` read, and the parameters with which."""


class Single(NamedTuple):
    """The effect of a number, block or category, hashed or not, shape (rows,), said with its raw value."""

    name: str
    raw: Column | Bag
    effect: Floats
    width: int = 1

    def effects(self, rows: slice) -> Floats:
        """Shape (rows, 1)."""
        return self.effect[rows, None]

    def say(self, rows: Places, places: Places) -> list[str]:
        """Name and raw value in each of these rows."""
        return [f"{self.name} {word}" for word in _words(self.raw[rows])]


class Several(NamedTuple):
    """The effects of a bag, one for each entry of a row, said with the word or the phrase behind its place."""

    name: str
    bag: Bag
    theta: Floats
    text: Text | None

    @property
    def width(self) -> int:
        """Entries of the row that holds most."""
        return int(self.bag.sizes().max(initial=0))

    def effects(self, rows: slice) -> Floats:
        """Shape (rows, width); 0 beyond the entries of a row."""
        bag = self.bag[rows]
        matrix = np.zeros((len(bag), self.width))
        row = bag.row_of()
        matrix[row, np.arange(len(row)) - bag.offsets[row]] = self.theta[bag.places]
        return matrix

    def say(self, rows: Places, entries: Places) -> list[str]:
        """Name, and what is behind one entry of each of these rows."""
        places = self.bag.places[self.bag.offsets[rows] + entries]
        if self.text is not None:
            column, parameters = self.text
            return [f'{self.name} "{phrase}"' for phrase in HashedText.phrases(parameters, column[rows], places)]
        return [f"{self.name} {self.bag.words[place]}" for place in places.tolist()]


Effects: TypeAlias = Single | Several


def effects(model: type[Chain], x: Columns, parameters: Parameters) -> list[Effects]:
    """All that adds to the scores of a chain with a linear estimator, by name.

    Where a number is missing, what stands in for it and the mark that `Impute` sets have one effect together; where it
    is not, the mark has none.

    Raises:
        ChainError: a column is missing.
    """
    inputs, coefficients = model.inputs(), parameters["estimator"]["coefficients"]
    encoded, first, texts = _encode(model, x, parameters)
    marked = {_mark(name): name for name, wanted in inputs.items() if wanted == "number" and _mark(name) not in inputs}
    found: list[Effects] = []
    for name in sorted({marked.get(name, name) for name in coefficients}):
        column, shown = encoded[name], name.replace("_", " ")
        if isinstance(column, Bag) and (column.words or name in texts):
            found.append(Several(shown, column, per_place(column, coefficients[name]), texts.get(name)))
        else:
            mark = _mark(name) if _mark(name) in marked else ""
            found.append(Single(shown, first[name], _effect(name, mark, x, encoded, coefficients)))
    return found


def _mark(name: str) -> str:
    return f"{name}_missing"


def _encode(model: type[Chain], x: Columns, parameters: Parameters) -> tuple[Encoded, Encoded, dict[str, Text]]:
    """What the estimator sees, every column as it first was, and what `HashedText` saw on the way."""
    require(model.__name__, list(model.inputs()), {name: kind(column) for name, column in x.items()})
    flowing: dict[str, Any] = {name: x[name] for name in model.inputs()}
    first, texts = dict(flowing), dict[str, Text]()
    for link, own in zip(model.features, parameters["features"], strict=True):
        if isinstance(link, HashedText):
            texts |= {name: (cast(Category, column), own) for name, column in link.chosen(own, flowing).items()}
        flowing = link.transform(flowing, own)
        first = {**flowing, **first}
    return flowing, first, texts


def _effect(name: str, mark: str, x: Columns, encoded: Encoded, coefficients: Coefficients) -> Floats:
    """Of a column, and of its mark where its number is missing."""
    effect = _alone(name, encoded, coefficients)
    if mark in coefficients:
        effect = effect + np.where(np.isnan(cast(Floats, x[name])), _alone(mark, encoded, coefficients), 0.0)
    return effect


def _alone(name: str, encoded: Encoded, coefficients: Coefficients) -> Floats:
    if name not in coefficients:
        return np.zeros(count(encoded))
    return score({name: encoded[name]}, 0.0, {name: coefficients[name]})


def _words(values: Column | Bag) -> list[str]:
    """Raw values in words; a block has none, nor has a bag."""
    if isinstance(values, Category):
        return ["missing" if word is None else word for word in values.values()]
    if isinstance(values, Bag) or values.ndim == 2:
        return [""] * len(values)
    if values.dtype.kind == "M":
        return ["missing" if each is None else str(each) for each in values.tolist()]
    return [f"{each:g}" if each == each else "missing" for each in values.tolist()]
