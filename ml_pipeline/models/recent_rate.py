"""How often something happened lately, by group: group-by, apply, combine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack, cast

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import MISSING, Category, Column, Columns, Floats, Kind, Times, take
from ml_pipeline.durations import duration
from ml_pipeline.errors import ChainError, DataError
from ml_pipeline.templates import NO_PARAMETERS, BaseModel, Parameters, require

CELLS = 100_000_000
"""Keys times moments that are counted at once: more is not a feature but a mistake in a time or a grid."""

Integers = npt.NDArray[np.int64]


class Window(TypedDict, total=False):
    """How a rate is counted: over which `window`, how often (`every`), and with how many pseudo-rows (`strength`)."""

    window: str
    every: str
    strength: float


class RecentRate(BaseModel):
    """The share of label 1 among a key's rows that became known within a window, as a table to join as-of.

    One row per key and moment `known_at`, from the key's first known row until the window after the last row of all
    has passed. The moments are multiples of `every` since 1970, so more history adds rows and changes none whose
    window it does not reach. A row counts at `known_at` when its `known` is in (known_at - window, known_at]: nothing
    that is known later enters. The share is drawn towards that of all keys in the same window,
    `(ones + strength * share of all) / (rows + strength)`; it is NaN while no key has a row in the window. Rows
    without label, key or moment are left out. Learns nothing.
    """

    accepts = ("category", "number", "time")

    @classmethod
    def start(
        cls, *columns: str, label: str = "label", known: str = "known", name: str = "", **window: Unpack[Window]
    ) -> Parameters:
        """Keys, and what to count.

        Args:
            columns: The keys, categories; several are one key together.
            label: Number column, 1 where it happened and 0 where not.
            known: Time column, when the label became known.
            name: Of the rate; `recent_<label>_by_<keys>` if empty.
            window: `window` (1d), `every` (1h) and `strength` (20 pseudo-rows, 0 or more).

        Raises:
            ConfigError: a length of time cannot be read.
            ChainError: no key is named, `every` is 0, or the window is shorter.
        """
        options: Window = {"window": "1d", "every": "1h", "strength": 20.0, **window}
        window_fits = np.timedelta64(0) < duration(options["every"]) <= duration(options["window"])
        if not columns or not window_fits or not options["strength"] >= 0:
            raise ChainError(
                "RecentRate cannot count like that",
                given=f"keys {', '.join(columns) or 'none'}, {dict(options)}",
                expected="at least one key, every above 0, a window no shorter, and a strength of 0 or more",
                do="use the defaults: window 1d, every 1h, strength 20",
            )
        name = name or f"recent_{label}_by_{'_'.join(columns)}"
        return {"columns": [*columns, label, known], "name": name, **options}

    @classmethod
    def outputs(cls, parameters: Parameters, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
        *keys, label, known = parameters["columns"]
        require(cls.__name__, keys, kinds, "category")
        require(cls.__name__, [label], kinds, "number")
        require(cls.__name__, [known], kinds, "time")
        return {**dict.fromkeys(keys, "category"), "known_at": "time", parameters["name"]: "number"}

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> dict[str, Column]:
        """The table: key columns, `known_at` and the rate."""
        *keys, label, known = parameters["columns"]
        x = _complete(x, keys, label, known)
        window, every = duration(parameters["window"]), duration(parameters["every"])
        groups, group = _groups([cast(Category, x[key]) for key in keys])
        grid = _Grid.of(cast(Times, x[known]), group, window, every)
        rows, ones = grid.counts(), grid.counts((cast(Floats, x[label]) == 1.0).astype(np.int64))
        rate = _shrunk(ones, rows, parameters["strength"])
        shown = np.arange(rows.shape[1]) >= grid.first()[:, None]
        row, moment = np.nonzero(shown)
        table: dict[str, Column] = {key: cast(Category, x[key])[groups[row]] for key in keys}
        times = ((grid.start + moment) * every.astype(np.int64)).astype("datetime64[us]")
        return {**table, "known_at": times, parameters["name"]: rate[shown]}


@dataclass(frozen=True, slots=True)
class _Grid:
    """Rows by group and by the moments of the grid at which they enter the window and have left it."""

    start: int
    moments: int
    groups: int
    group: Integers
    enters: Integers
    leaves: Integers

    @classmethod
    def of(cls, known: Times, group: Integers, window: np.timedelta64, every: np.timedelta64) -> _Grid:
        step = int(every.astype(np.int64))
        moments = known.astype("datetime64[us]").astype(np.int64)
        enters, leaves = _ceil(moments, step), _ceil(moments + int(window.astype(np.int64)), step)
        start, stop = (int(enters.min()), int(leaves.max()) + 1) if len(enters) else (0, 0)
        groups = int(group.max()) + 1 if len(group) else 0
        if groups * (stop - start) > CELLS:
            raise DataError(
                "RecentRate would give a table that is too long",
                given=f"{groups:,} keys at {stop - start:,} moments",
                expected=f"at most {CELLS:,} rows",
                do="choose a longer every or a key with fewer values, and look for times that are far off",
            )
        return cls(start, stop - start, groups, group, enters - start, leaves - start)

    def counts(self, weights: Integers | None = None) -> Integers:
        """The sum of the weights in the window (rows, if there are none), shape (groups, moments)."""
        size = self.groups * self.moments
        at = self.group * self.moments
        # Sums of whole numbers below 2^53 are exact in floating point.
        change = np.bincount(at + self.enters, weights, size) - np.bincount(at + self.leaves, weights, size)
        return np.cumsum(change.astype(np.int64).reshape(self.groups, self.moments), axis=1)

    def first(self) -> Integers:
        """The first moment of each group."""
        first = np.full(self.groups, self.moments)
        np.minimum.at(first, self.group, self.enters)
        return first


def _ceil(value: Integers, step: int) -> Integers:
    return -(-value // step)


def _complete(x: Columns, keys: Sequence[str], label: str, known: str) -> dict[str, Column]:
    """The rows that have everything."""
    good = ~np.isnan(cast(Floats, x[label])) & ~np.isnat(cast(Times, x[known]))
    for key in keys:
        good &= cast(Category, x[key]).codes != MISSING
    return take({name: x[name] for name in (*keys, label, known)}, good)


def _groups(keys: Sequence[Category]) -> tuple[Integers, Integers]:
    """A row of each group of equal keys, and the group of every row."""
    joint = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        joint = joint * len(key.vocabulary) + key.codes
    _, rows, group = np.unique(joint, return_index=True, return_inverse=True)
    return rows, group


def _shrunk(ones: Integers, rows: Integers, strength: float) -> Floats:
    """Shares drawn towards that of all groups; NaN where nothing is known."""
    with np.errstate(invalid="ignore"):
        pooled = ones.sum(axis=0) / rows.sum(axis=0)
        return np.asarray((ones + strength * pooled) / (rows + strength))
