"""Let the effect of a number be a smooth curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from ml_pipeline.columns import Column, Columns, Floats
from ml_pipeline.errors import ChainError
from ml_pipeline.models.b_spline import basis
from ml_pipeline.models.encoder import Encoder
from ml_pipeline.models.quantiles import Sketch, quantile, sketch
from ml_pipeline.templates import NO_PARAMETERS, Parameters


class Spline(Encoder):
    """Each number becomes a block of the same name: its B-spline basis, constant beyond the outer knots.

    The knots are evenly spaced quantiles of the training values, equal ones once, so a block is `knots + degree - 1`
    wide or less. NaN gives a row of NaN. Learns `positions`, the knots of every column.
    """

    learns = True
    gives = "block"

    @classmethod
    def start(cls, *columns: str, knots: int = 8, degree: int = 3) -> Parameters:
        """`knots`, at least 2, outer ones included; `degree` of the polynomials, at least 1."""
        if knots < 2 or degree < 1:
            raise ChainError(
                "Spline cannot be made of so few knots or of that degree",
                given=f"knots={knots}, degree={degree}",
                expected="at least 2 knots and degree 1",
                do="use the defaults, 8 knots and degree 3",
            )
        return {"columns": list(columns), "knots": knots, "degree": degree}

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> dict[str, Column]:
        degree, positions = parameters["degree"], parameters["positions"]
        if not positions:
            return dict(x)
        values = np.array([cls.read(x, name) for name in positions], np.float64)
        blocks = zip(positions, basis(values, list(positions.values()), degree), strict=True)
        # Transposed, so that each column of a block lies in one piece, which is how it will be read.
        return {**x, **{name: block[: len(positions[name]) + degree - 1].T for name, block in blocks}}

    @classmethod
    def fitted(cls, parameters: Parameters) -> bool:
        return "positions" in parameters

    @classmethod
    def accumulate(cls, parameters: Parameters, x: Columns, y: Floats) -> dict[str, Sketch]:
        return {name: sketch(cast(Floats, column)) for name, column in cls.chosen(parameters, x).items()}

    @classmethod
    def update(cls, parameters: Parameters, statistics: Mapping[str, Sketch]) -> Parameters:
        positions = {name: _knots(values, parameters["knots"]) for name, values in statistics.items()}
        return {**parameters, "positions": positions}


def _knots(values: Sketch, count: int) -> list[float]:
    """Evenly spaced quantiles; a column that never varies gets an interval all the same."""
    knots: list[float] = np.unique(np.nan_to_num(quantile(values, np.linspace(0.0, 1.0, count)))).tolist()
    return knots if len(knots) > 1 else [knots[0], knots[0] + max(1.0, abs(knots[0]))]
