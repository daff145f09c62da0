"""Numbers that start again after a period: hours of a day, days of a year."""

from __future__ import annotations

from typing import cast

import numpy as np

from ml_pipeline.columns import Column, Columns, Floats
from ml_pipeline.errors import ChainError
from ml_pipeline.models.encoder import Encoder
from ml_pipeline.templates import NO_PARAMETERS, Parameters


class Cyclic(Encoder):
    """Each number becomes a block of the same name: sine and cosine of its place in the period, then of multiples.

    Column 2h - 2 of the block is sin(2 pi h x / period), column 2h - 1 the cosine, h = 1 … `harmonics`. Learns nothing.
    """

    gives = "block"

    @classmethod
    def start(cls, *columns: str, period: float = 1.0, harmonics: int = 1) -> Parameters:
        """`period` in the unit of the column, above 0; `harmonics`, at least 1."""
        if not period > 0 or harmonics < 1:
            raise ChainError(
                "Cyclic cannot work with that period or number of harmonics",
                given=f"period={period}, harmonics={harmonics}",
                expected="a period above 0 and at least 1 harmonic",
                do="give the period in the unit of the column, such as period=24 for hours of a day",
            )
        return {"columns": list(columns), "period": period, "harmonics": harmonics}

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> dict[str, Column]:
        period, harmonics = parameters["period"], parameters["harmonics"]
        chosen = cls.chosen(parameters, x).items()
        return {**x, **{name: _waves(cast(Floats, column), period, harmonics) for name, column in chosen}}


def _waves(values: Floats, period: float, harmonics: int) -> Floats:
    # The place in the period first, which is exact, because a large angle loses digits.
    angles = 2 * np.pi / period * np.mod(values, period) * np.arange(1.0, harmonics + 1)[:, None]
    block = np.empty((2 * harmonics, len(values)))
    block[::2], block[1::2] = np.sin(angles), np.cos(angles)
    return block.T
