"""Encoded batches in few bytes: numbers in single precision where that moves no coefficient that counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml_pipeline.columns import Bag, Category, Column, Encoded, Floats

FAR = 16.0
"""A number further from 0 than so many standard deviations keeps double precision: rounding is relative to its size, a
coefficient to its spread."""
RANGE = (1e-30, 1e30)
"""Sizes that single precision can hold, and their reciprocals."""


def packed(x: Encoded) -> dict[str, Column | Bag]:
    """The same batch, of which some numbers are float32. What they are follows from this batch alone."""
    return {name: _narrowed(column) for name, column in x.items()}


def _narrowed(column: Any) -> Any:
    if isinstance(column, Category | Bag) or column.dtype != np.float64 or not len(column):
        return column
    return column.astype(np.float32) if _is_near(column) or _is_exact(column) else column


def _is_near(column: Floats) -> bool:
    """Whether the values lie around 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean = column.mean(axis=0)
        squares = np.einsum("i...,i...->...", column, column) / len(column)
        spread = np.sqrt(np.maximum(squares - mean**2, 0.0))
    return bool(np.all((np.abs(mean) <= FAR * spread) & (spread > RANGE[0]) & (spread < RANGE[1])))


def _is_exact(column: Floats) -> bool:
    """Whether nothing is lost, as of 0 and 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.array_equal(column.astype(np.float32), column))
