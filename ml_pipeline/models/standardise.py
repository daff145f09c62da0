"""Give numbers mean 0 and standard deviation 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ml_pipeline.columns import Column, Columns, Floats
from ml_pipeline.models.encoder import Encoder
from ml_pipeline.templates import NO_PARAMETERS, Parameters


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Known rows, their mean and sum of squared deviations from it; numbers, or shape (width,) for a block."""

    rows: Any
    mean: Any
    squares: Any

    @classmethod
    def of(cls, values: Floats) -> Moments:
        """Two passes, the second corrected for the rounding of the mean (Chan, Golub, LeVeque 1983, eq. 1.7)."""
        known = ~np.isnan(values)
        rows = known.sum(axis=0)
        mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(rows, 1)
        deviations = np.where(known, values - mean, 0.0)
        shift = deviations.sum(axis=0) / np.maximum(rows, 1)
        return cls(rows, mean + shift, np.square(deviations).sum(axis=0) - rows * shift**2)

    def __add__(self, other: Moments) -> Moments:
        """The moments of both sets of rows (Chan, Golub, LeVeque 1979, updating formulae)."""
        rows = self.rows + other.rows
        share = other.rows / np.maximum(rows, 1)
        apart = other.mean - self.mean
        return Moments(rows, self.mean + apart * share, self.squares + other.squares + apart**2 * self.rows * share)

    def scale(self) -> Any:
        """Standard deviation (of the population, as scikit-learn's); 1 where it is no more than rounding."""
        deviation = np.sqrt(np.maximum(self.squares, 0.0) / np.maximum(self.rows, 1))
        return np.where(deviation <= 10 * np.finfo(np.float64).eps * np.abs(self.mean), 1.0, deviation)


class Standardise(Encoder):
    """Subtract the training mean and divide by the training standard deviation; NaN stays NaN.

    Works on the named columns, or on all numbers and blocks, a block column by column; categories pass. A column that
    never varies is only centred. Learns `mean` and `scale`: per column a number, for a block a list.
    """

    learns = True
    accepts = ("number", "block")

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> dict[str, Column]:
        scales = parameters["scale"]
        new = {
            name: (cast(Floats, cls.read(x, name)) - np.asarray(mean)) / np.asarray(scales[name])
            for name, mean in parameters["mean"].items()
        }
        return {**x, **new}

    @classmethod
    def fitted(cls, parameters: Parameters) -> bool:
        return "mean" in parameters

    @classmethod
    def accumulate(cls, parameters: Parameters, x: Columns, y: Floats) -> dict[str, Moments]:
        return {name: Moments.of(cast(Floats, column)) for name, column in cls.chosen(parameters, x).items()}

    @classmethod
    def update(cls, parameters: Parameters, statistics: Mapping[str, Moments]) -> Parameters:
        mean = {name: np.asarray(moments.mean).tolist() for name, moments in statistics.items()}
        scale = {name: moments.scale().tolist() for name, moments in statistics.items()}
        return {**parameters, "mean": mean, "scale": scale}
