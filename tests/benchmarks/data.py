"""Made-up events of any number, part by part: each part comes from its own seed, so any of them can be made alone.

20 numbers, 5 categories (10 to 10,000 levels), a label from known coefficients, a key and a time; and readings of 1,000
stations, of which the latest that was known is to be joined to each event. Which one that is follows from the time
alone, so a join can be judged without another one. The first ten numbers have the precision of a float32, as what
instruments deliver; the others have that of a float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROWS = 65_536
"""Rows of a part."""
NUMBERS = tuple(f"x{number:02d}" for number in range(1, 21))
LEVELS = {"c10": 10, "c100": 100, "c1000": 1_000, "c50": 50, "c10000": 10_000}
LABEL, KEY, TIME, STATION, KNOWN = "y", "event", "at", "c1000", "known_at"
VALUES = ("v1", "v2", "v3", "v4")
STEP = 10_000_000_000
"""Microseconds between two readings of a station. There is an event a second, so ten events a reading."""
START = np.datetime64("2023-01-01", "us")
SEED = 1
FEW = 500
"""Rows on which each contender works once before it is measured, so that all it imports is imported."""
FACTORS = 4
TRUTH, OFFSETS, EVENTS, READINGS = range(4)
"""Streams of random numbers, apart for every seed."""


class Coefficients(NamedTuple):
    """Of a logistic model: one per number, shape (20,), and per category one per level."""

    bias: float
    numbers: Floats
    levels: dict[str, Floats]


@cache
def truth(seed: int = SEED) -> Coefficients:
    """The coefficients that labels are drawn with."""
    rng = _rng(seed, TRUTH)
    levels = {name: rng.normal(0.0, 0.3, size) for name, size in LEVELS.items()}
    return Coefficients(-0.7, rng.normal(0.0, 0.3, len(NUMBERS)) / _scales(), levels)


@cache
def words(name: str) -> tuple[str, ...]:
    """The levels of a category."""
    return tuple(f"{name}-{level:05d}" for level in range(LEVELS[name]))


def events(number: int, seed: int = SEED) -> pa.Table:
    """One part of the driving table, in the order of time."""
    import pyarrow as pa

    rng = _rng(seed, EVENTS, number)
    x = _numbers(rng)
    # The square makes some levels frequent and most of them rare, as names are.
    codes = {name: (size * rng.random(ROWS) ** 2).astype(np.int32) for name, size in LEVELS.items()}
    at = number * ROWS * 1_000_000 + np.sort(rng.integers(0, ROWS * 1_000_000, ROWS))
    label = (rng.random(ROWS) < 1.0 / (1.0 + np.exp(-scores(x, codes, truth(seed))))).astype(np.float64)
    named = {name: pa.DictionaryArray.from_arrays(own, pa.array(words(name))) for name, own in codes.items()}
    times = {TIME: moments(at), "moment": moments(at)}
    return pa.table({KEY: _keys(number), **times, **dict(zip(NUMBERS, x, strict=True)), **named, LABEL: label})


def readings(step: int, seed: int = SEED) -> pa.Table:
    """One reading of every station, in the order of time."""
    import pyarrow as pa

    order = np.argsort(offsets(seed)).astype(np.int32)
    stations = pa.DictionaryArray.from_arrays(pa.array(order), pa.array(words(STATION)))
    values = dict(zip(VALUES, measured(step, seed)[:, order], strict=True))
    return pa.table({STATION: stations, KNOWN: moments(step * STEP + offsets(seed)[order]), **values})


def joined(number: int, seed: int = SEED) -> pa.Table:
    """One part of the driving table with the values of the latest reading."""
    table = events(number, seed)
    at = table.column(TIME).chunk(0).cast("int64").to_numpy() - START.astype(np.int64)
    stations = table.column(STATION).chunk(0).indices.to_numpy()
    for name, values in zip(VALUES, latest(at, stations, seed), strict=True):
        table = table.append_column(name, [values])
    return table


def latest(at: Ints, stations: npt.NDArray[np.integer[Any]], seed: int = SEED) -> Floats:
    """The four values of the latest reading of a station at a moment (microseconds), NaN before the first one."""
    step = (at - offsets(seed)[stations]) // STEP
    values = np.full((len(VALUES), len(at)), np.nan)
    for one in np.unique(step[step >= 0]).tolist():
        values[:, step == one] = measured(one, seed)[:, stations[step == one]]
    return values


def measured(step: int, seed: int) -> Floats:
    """Values of one reading of every station, shape (4, 1000)."""
    return _rng(seed, READINGS, step).normal(size=(len(VALUES), LEVELS[STATION]))


@cache
def offsets(seed: int) -> Ints:
    """Microseconds by which each station reads later than the first could."""
    return _rng(seed, OFFSETS).integers(0, STEP, LEVELS[STATION])


def moments(microseconds: Ints) -> pa.Array:
    """Microseconds since the start as timestamps in UTC."""
    import pyarrow as pa

    return pa.array(START + microseconds.astype("timedelta64[us]")).cast(pa.timestamp("us", "UTC"))


def scores(x: Floats, codes: Mapping[str, npt.NDArray[np.integer[Any]]], own: Coefficients) -> Floats:
    """The linear predictor; `x` has shape (20, rows)."""
    z = own.bias + own.numbers @ x
    for name, level in codes.items():
        z += own.levels[name][level]
    return z


def parts(rows: int) -> int:
    """How many parts hold so many rows."""
    return math.ceil(rows / ROWS)


def steps(rows: int) -> int:
    """How many readings of every station cover so many events."""
    return parts(rows) * ROWS * 1_000_000 // STEP + 1


def files(data: Path, name: str) -> list[Path]:
    """The Parquet files of a dataset, in order."""
    return sorted((data / "events/data" / name).glob("part-*.parquet"))


def _numbers(rng: np.random.Generator) -> Floats:
    """Numbers that hang together in groups, each with a mean and a scale of its own; shape (20, rows)."""
    factors, own = rng.standard_normal((FACTORS, ROWS)), rng.standard_normal((len(NUMBERS), ROWS))
    groups = np.arange(len(NUMBERS)) % FACTORS
    means = np.linspace(-1.0, 1.0, len(NUMBERS))
    x = means[:, None] + _scales()[:, None] * (0.6 * factors[groups] + 0.8 * own)
    half = len(NUMBERS) // 2
    x[:half] = x[:half].astype(np.float32)
    return x


def _scales() -> Floats:
    return np.geomspace(0.5, 2.0, len(NUMBERS))


def _keys(number: int) -> pa.DictionaryArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    digits = pc.utf8_lpad(pa.array(np.arange(number * ROWS, (number + 1) * ROWS)).cast(pa.string()), 10, "0")
    return pa.DictionaryArray.from_arrays(
        pa.array(np.arange(ROWS, dtype=np.int32)), pc.binary_join_element_wise("e", digits, "")
    )


def _rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
