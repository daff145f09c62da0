"""What monitoring stores of data and drift over time: the dataset `health`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from ml_pipeline.columns import Category, Column
from ml_pipeline.monitoring.drift import Drift
from ml_pipeline.monitoring.health import Reading
from ml_pipeline.monitoring.schema_change import Change
from ml_pipeline.monitoring.severity import Severity

Usual = Mapping[tuple[str, str], float]
"""By column and effect."""


class Line(NamedTuple):
    """A measure of a source, or of one of its columns, at a moment; `usual` is NaN where nothing is known of it."""

    as_of: dt.datetime
    source: str
    column: str | None
    measure: str
    value: float
    usual: float
    severity: Severity


def of_reading(own: Reading) -> Line:
    """A measure of a whole source."""
    return Line(own.as_of, own.source, None, own.measure, own.value, own.usual, own.severity)


def of_change(own: Change) -> Line:
    """A column that came, went or is of another kind since then."""
    return Line(own.since, own.source, own.column, "changed", 1.0, np.nan, own.finding().severity)


def of_drift(as_of: dt.datetime, source: str, drift: Drift, usual: Usual | None) -> list[Line]:
    """Every effect of every column; where nothing is known to be usual, nothing is judged."""
    return [
        Line(
            as_of, source, own.column, name, effect.value, (usual or {}).get((own.column, name), np.nan),
            "not enough data" if usual is None else own.severity,
        )
        for own in drift.columns
        for name, effect in own.effects.items()
    ]  # fmt: skip


def table(lines: Iterable[Line]) -> dict[str, Column]:
    """Lines as columns, by moment, source, column and measure."""
    ordered = sorted(lines, key=lambda own: (own.as_of, own.source, own.column or "", own.measure))
    moments = [own.as_of.astimezone(dt.UTC).replace(tzinfo=None) for own in ordered]
    return {
        "as_of": np.array(moments, "datetime64[us]"),
        "source": Category.of([own.source for own in ordered]),
        "column": Category.of([own.column for own in ordered]),
        "measure": Category.of([own.measure for own in ordered]),
        "value": np.array([own.value for own in ordered], np.float64),
        "usual": np.array([own.usual for own in ordered], np.float64),
        "severity": Category.of([own.severity for own in ordered]),
    }
