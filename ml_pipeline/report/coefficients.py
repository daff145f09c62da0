"""What a linear model has learnt, the largest coefficients first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from ml_pipeline.models.curves import NORMAL
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, decimal, interval, measured, number, plural
from ml_pipeline.report.table import Row, Whiskers, table
from ml_pipeline.report.words import spaced

MOST = 30
EXPLAINED = (
    "Each is what one unit of a column, as the estimator sees it, adds to the linear score: to the prediction itself, "
    "in a logistic regression to the log-odds, in a Poisson regression to the logarithm of the expected count, in a "
    "softmax regression to the score of one class. They tell of association, not of cause, and share the effect of "
    "columns that go together."
)


class Coefficient(NamedTuple):
    """Its name on the page, and its standard error, 0 where none is determined."""

    name: str
    value: float
    error: float

    @property
    def shown(self) -> dict[str, float]:
        """Value and ends of the interval."""
        low, high = self.ends or (self.value, self.value)
        return {"value": self.value, "low": low, "high": high}

    @property
    def ends(self) -> tuple[float, float] | None:
        """The 95 % interval, where there is one."""
        half = NORMAL * self.error
        return (self.value - half, self.value + half) if self.error > 0.0 else None


def section(parameters: Mapping[str, Any]) -> Markup:
    """The largest with dot and whisker, and a line for every hashed column."""
    estimator = parameters.get("estimator", {})
    parts = (estimator, estimator.get("standard_errors", {}))
    coefficients, errors = (_by_column(each, "classes" in estimator) for each in parts)
    if not coefficients:
        return tag("p", "This model has no coefficients to show.")
    named = [each for name, value in coefficients.items() for each in _named(name, value, errors.get(name))]
    largest = sorted((each for each in named if each.value), key=lambda each: -abs(each.value))[:MOST]
    said = "" if errors else " No standard errors were stored with this model, so there are no intervals."
    return join(
        [
            tag("p", EXPLAINED + said),
            _table(largest, len(named)) if largest else "",
            *(tag("p", _hashed(name, each)) for name, each in coefficients.items() if isinstance(each, np.ndarray)),
            _about(estimator),
        ]
    )


def _by_column(named: Mapping[str, Any], by_class: bool) -> Mapping[str, Any]:
    """Coefficients of each column; where every class has its own, of each `class: column`."""
    own: Mapping[str, Any] = named.get("coefficients", {})
    if not by_class:
        return own
    return {f"{name}: {column}": value for name, columns in own.items() for column, value in columns.items()}


def _named(name: str, value: Any, error: Any) -> Iterator[Coefficient]:
    """Words with the name of their column, places of a block with their number; hashed places have no name."""
    if isinstance(value, Mapping):
        for word, own in value.items():
            yield Coefficient(f"{spaced(name)} {word}", own, (error or {}).get(word, 0.0))
    elif isinstance(value, list):
        for at, (own, chance) in enumerate(zip(value, error or repeat(0.0), strict=False), start=1):
            yield Coefficient(f"{spaced(name)}, part {at} of {len(value)}", own, chance)
    elif not isinstance(value, np.ndarray):
        yield Coefficient(spaced(name), value, error or 0.0)


def _table(largest: list[Coefficient], count: int) -> Markup:
    ends = [end for each in largest for end in each.ends or (each.value, each.value)]
    axis = Whiskers.over(ends, {"guide": 0.0})
    rows = [
        Row(each.name, [axis.cell(each.value, each.ends), measured(each.shown, sign=True), _range(each)])
        for each in largest
    ]
    caption = f"The {len(largest)} largest of {plural(count, 'named coefficient')}, with 95 % intervals"
    return table(caption, ("Column", "", "Coefficient", "95 % interval"), rows, ("", axis.axis(), "", ""))


def _range(each: Coefficient) -> str:
    return interval(each.shown, sign=True) if each.ends else NONE


def _hashed(name: str, values: Any) -> str:
    used, largest = int(np.count_nonzero(values)), float(np.abs(values).max(initial=0.0))
    return (
        f"{spaced(name)}: hashed into {plural(len(values), 'bucket')}, {used:,} of them with a coefficient that is not "
        f"0, the largest ±{number(largest)}. A bucket has no name, as several words may share it; the reasons of a "
        "prediction name the word of its own record."
    )


def _about(estimator: Mapping[str, Any]) -> Markup:
    """How it was fitted."""
    fit, ridge = estimator.get("fit"), estimator.get("ridge")
    bias = estimator.get("bias")
    biases = {f"{name}: ": own for name, own in bias.items()} if isinstance(bias, Mapping) else {"": bias}
    said = [f"Bias {', '.join(f'{name}{decimal(own, 3, sign=True)}' for name, own in biases.items())}."]
    said += [f"Ridge {number(ridge)}."] if ridge is not None else []
    said += [f"Lasso {number(estimator['lasso'])}."] if estimator.get("lasso") else []
    said += [f"Fitted to {plural(fit['rows'], 'row')} in {plural(fit['iterations'], 'step')}."] if fit else []
    return tag("p", " ".join(said), class_="small")
