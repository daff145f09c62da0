"""Softmax regression: logistic regression for several classes, with an elastic net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from ml_pipeline.columns import MISSING, Category, Column, Encoded, Floats, Kind, kind
from ml_pipeline.errors import ChainError, FitError
from ml_pipeline.models.class_design import ClassDesign
from ml_pipeline.models.classifier import Classifier
from ml_pipeline.models.layout import ClassLayout, Layout
from ml_pipeline.models.linear_predictor import score
from ml_pipeline.models.logistic import CLIP
from ml_pipeline.models.sums import Product, Sums
from ml_pipeline.models.weights import weighted
from ml_pipeline.templates import NO_PARAMETERS, Parameters


class SoftmaxRegression(Classifier):
    """The probability of each of several classes; the loss is minus the logarithm of that of what happened.

    Every class has a bias and coefficients of its own, so only their differences tell anything: a ridge settles the
    rest, and without one they add up to 0. The same as scikit-learn's `LogisticRegression(C=1 / ridge)`.
    """

    predicts = "class"

    @classmethod
    def start(
        cls,
        *columns: str,
        classes: Sequence[str] = ("0", "1"),
        class_weights: Sequence[float] | None = None,
        **options: Any,
    ) -> Parameters:
        """What the fit starts from.

        Args:
            columns: To work on; all it is given, if none is named.
            classes: The words of the label; of a label that is a number, as `1` or `2.5`.
            class_weights: How often a row of each class counts, above 0; once, if they are left out.
            options: Those of every `LinearModel`.
        """
        if len(set(classes)) < max(len(classes), 2) or not all(isinstance(each, str) for each in classes):
            raise ChainError(
                "SoftmaxRegression cannot tell those classes apart",
                given=f"classes={classes!r}",
                expected="two or more words, no two alike",
                do='name every class, such as classes=("low", "middle", "high")',
            )
        weights = cls.class_weights([1.0] * len(classes) if class_weights is None else class_weights, classes)
        return {**super().start(*columns, **options), "classes": list(classes), **weights}

    @classmethod
    def classes(cls, parameters: Parameters) -> tuple[str, ...]:
        return tuple(parameters["classes"])

    @classmethod
    def outputs(cls, parameters: Parameters, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
        super().outputs(parameters, kinds)
        return {"prediction": "block"}

    @classmethod
    def labels(cls, parameters: Parameters, column: Column) -> Floats:
        """The place of each row's class, shape (rows,), NaN where it is missing.

        Raises:
            FitError: a label is none of the classes, or no word.
        """
        words = _words(column)
        places = {word: float(place) for place, word in enumerate(cls.classes(parameters))}
        found = np.asarray(words.map([places.get(word, -1.0) for word in words.vocabulary], np.nan), np.float64)
        if len(other := np.flatnonzero(found < 0.0)):
            example = words[other[:1]].values()[0]
            raise FitError(
                "SoftmaxRegression does not know every class",
                given=f"{len(other)} of {len(found)} rows with another label, such as {example!r}",
                expected=", ".join(places),
                do="name it in `classes`, or set those rows aside in the preparation",
            )
        return found

    @classmethod
    def named(cls, parameters: Parameters, prediction: Floats) -> dict[str, Column]:
        """`prediction`, the most probable class (of equal ones the first), its `probability`, and those of all."""
        classes, best = cls.classes(parameters), prediction.argmax(axis=1)
        each = {f"probability_{name}": prediction[:, place].copy() for place, name in enumerate(classes)}
        most = prediction[np.arange(len(best)), best]
        return {"prediction": Category(best.astype(np.int32), classes), "probability": most, **each}

    @classmethod
    def layout(cls, parameters: Parameters, x: Encoded, names: Sequence[str]) -> Layout:
        return ClassLayout.of_classes(Layout.of(x, names), cls.classes(parameters))

    @classmethod
    def design(cls, x: Encoded, layout: Layout, rows: int) -> Any:
        return ClassDesign(x, cast(ClassLayout, layout), rows)

    @classmethod
    def label_sums(cls, parameters: Parameters, y: Floats, weights: Floats | None) -> Floats:
        """How often each class counts."""
        once = weighted(np.ones(len(y)), weights)
        return np.asarray(np.bincount(y.astype(np.intp), once, len(parameters["classes"])), np.float64)

    @classmethod
    def mean(cls, z: Floats) -> Floats:
        """The probabilities at the scores, both of shape (rows, classes)."""
        return _exponentials(z)[2]

    @classmethod
    def derivatives(cls, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Loss of each row, its derivatives by the scores, and the probabilities, of which the second ones follow."""
        largest, total, p = _exponentials(z)
        rows, places = np.arange(len(y)), y.astype(np.intp)
        loss = largest + np.log(total) - z[rows, places]
        residual = p.copy()
        residual[rows, places] -= 1.0
        return loss, residual, p

    @classmethod
    def transform(cls, x: Encoded, parameters: Parameters = NO_PARAMETERS) -> Floats:
        """The probability of each class, shape (rows, classes)."""
        bias, coefficients = parameters["bias"], parameters["coefficients"]
        scores = [score(x, bias[name], coefficients[name]) for name in cls.classes(parameters)]
        return cls.mean(np.stack(scores, axis=1))

    @classmethod
    def loss(cls, y: Floats, prediction: Floats) -> Floats:
        return -np.log(np.maximum(prediction[np.arange(len(y)), y.astype(np.intp)], CLIP))

    @classmethod
    def check_labels(cls, parameters: Parameters, y: Floats) -> None:
        super().check_labels(parameters, y)
        classes = len(parameters["classes"])
        if len(other := y[(y < 0.0) | (y >= classes) | (y != np.floor(y))]):
            raise FitError(
                "SoftmaxRegression learns from the places of its classes only",
                given=f"{len(other)} of {len(y)} rows with another label, such as {other[0]:g}",
                expected=f"0 to {classes - 1}",
                do="take them from `labels`",
            )

    @classmethod
    def teaches(cls, sums: Sums) -> bool:
        return bool((sums.labels > 0.0).all())

    @classmethod
    def update(cls, parameters: Parameters, statistics: Sums | Product | None) -> Parameters:
        """One step, or a part of one; `FitError` without rows, or where a class of which nothing is known has none."""
        if cls.goes_on(parameters):
            return super().update(parameters, statistics)
        if isinstance(statistics, Sums) and statistics.share == 1.0 and statistics.weight > 0.0:
            cls._check_classes(parameters, statistics)
        return super().update(parameters, statistics)

    @classmethod
    def _check_classes(cls, parameters: Parameters, sums: Sums) -> None:
        counts = dict(zip(cls.classes(parameters), sums.labels.tolist(), strict=True))
        if absent := [name for name, rows in counts.items() if not rows]:
            raise FitError(
                "SoftmaxRegression needs rows of every class to learn from",
                given=f"none of {', '.join(absent)} among {sums.rows} rows",
                expected=", ".join(counts),
                do="take a longer history, correct how the label is made, or name only classes that occur",
            )


def _exponentials(z: Floats) -> tuple[Floats, Floats, Floats]:
    """The largest score of each row, the sum of the exponentials of all less that one, and their shares in it."""
    largest = z.max(axis=1)
    exponentials = np.exp(z - largest[:, None])
    total = np.zeros(len(z))
    # One class after the other, so that no row's sum depends on how many rows there are.
    for column in exponentials.T:
        total += column
    return largest, total, exponentials / total[:, None]


def _words(column: Column) -> Category:
    """A label as words; a number as a person writes it."""
    if isinstance(column, Category):
        return column
    if kind(column) != "number":
        raise FitError(
            "SoftmaxRegression learns from words or numbers",
            given=f"a label that is a {kind(column)} column",
            expected="the word of a class in every row",
            do="make the label a text in the preparation",
        )
    values, places = np.unique(np.asarray(column, np.float64), return_inverse=True)
    codes = np.where(np.isnan(values), MISSING, np.arange(len(values)))[places]
    return Category(codes.astype(np.int32), tuple(f"{value:g}" for value in values.tolist()))
