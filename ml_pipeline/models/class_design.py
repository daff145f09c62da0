"""Products with the design matrix where every class has a score of its own.

The second derivative of the loss by the scores of a row is `diag(q) - q q' / w`, for the expected counts q of the
classes, probabilities times the row's weight w, which is their sum (Boehning 1992, "Multinomial logistic regression
algorithm"). So the Hessian has a block for each pair of classes, and each block is that of a single score.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Encoded, Floats
from ml_pipeline.models.design import Design
from ml_pipeline.models.layout import ClassLayout
from ml_pipeline.models.sums import Outline


class Block(NamedTuple):
    """Two classes, and the curvature between their scores: its sign, and its size in each row."""

    first: int
    second: int
    sign: float
    curvature: Floats


class ClassDesign:
    """As `Design`; scores, residuals and expected counts have shape (rows, classes)."""

    def __init__(self, x: Encoded, layout: ClassLayout, rows: int) -> None:
        self.layout, self.one = layout, Design(x, layout.one, rows)

    def scores(self, theta: Floats) -> Floats:
        """Of every class."""
        return np.stack([self.one.scores(own) for own in self.layout.matrix(theta).T], axis=1)

    def two_scores(self, theta: Floats, other: Floats) -> tuple[Floats, Floats]:
        """Of every class, by two sets of coefficients in one sweep."""
        vectors = zip(self.layout.matrix(theta).T, self.layout.matrix(other).T, strict=True)
        first, second = zip(*(self.one.two_scores(*both) for both in vectors), strict=True)
        return np.stack(first, axis=1), np.stack(second, axis=1)

    def transposed(self, weights: Floats) -> Floats:
        """`X' weights`, shape (size,)."""
        return np.stack([self.one.transposed(own) for own in np.ascontiguousarray(weights.T)], axis=1).ravel()

    def bent(self, expected: Floats, along: Floats) -> Floats:
        """The second derivative of the loss times a change of the scores."""
        mean = np.einsum("ij,ij->i", expected, along) / _weight(expected)
        return np.asarray(expected * (along - mean[:, None]))

    def hessian(self, expected: Floats, precision: npt.DTypeLike = np.float64) -> Floats:
        """Of the summed losses, shape (size, size)."""
        found = self._spread(self.layout.one.size())
        for block in _blocks(expected):
            self._place(found, block, self.one.hessian(block.curvature, precision))
        return found.reshape(self.layout.size(), -1)

    def outline(self, expected: Floats) -> Outline:
        """What an `Outline` holds of it."""
        one = self.layout.one
        products = self._spread(one.singles() + len(one.directions()))
        diagonal = np.empty((one.size(), len(self.layout.classes)))
        for block in _blocks(expected):
            outline = self.one.outline(block.curvature)
            self._place(products, block, outline.products)
            if block.first == block.second:
                diagonal[:, block.first] = outline.diagonal
        return Outline(diagonal.ravel(), products.reshape(products.shape[0] * products.shape[1], -1))

    def _spread(self, size: int) -> Floats:
        classes = len(self.layout.classes)
        return np.zeros((size, classes, size, classes))

    @staticmethod
    def _place(found: Floats, block: Block, values: Floats) -> None:
        found[:, block.first, :, block.second] = block.sign * values
        found[:, block.second, :, block.first] = block.sign * values


def _blocks(expected: Floats) -> Iterator[Block]:
    weight = _weight(expected)
    for first, own in enumerate(expected.T):
        yield Block(first, first, 1.0, own * (1.0 - own / weight))
        for second in range(first):
            yield Block(first, second, -1.0, own * expected[:, second] / weight)


def _weight(expected: Floats) -> Floats:
    """Of each row; where nothing counts, whatever can be divided by."""
    return np.asarray(np.maximum(expected.sum(axis=1), np.finfo(np.float64).tiny))
