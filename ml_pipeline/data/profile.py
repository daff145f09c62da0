"""What columns look like: for every column how much is missing, and where its values lie."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ml_pipeline.columns import Category, Column, Columns, Floats, Times, kind

QUANTILES = (5, 25, 50, 75, 95)
"""Per cent."""
FREQUENT = 10
"""Words that are listed."""
LONGEST = 80
"""Characters of a word that is listed: what is longer is text, which no list of words sums up."""


def profile(columns: Columns) -> dict[str, Any]:
    """Plain values by column: `kind`, `rows`, `missing`, and where any value is known, what it has besides.

    - number: `mean`, `sd` (of the rows, not an estimate), `min`, `max` and `quantiles` such as `5%`; NaN and infinities
      are missing
    - time: `first` and `last`, in UTC as ISO 8601
    - category: `distinct` values, and the `frequent` ones with their share of all rows
    - block: `width`; a row is missing where any of its numbers is

    >>> profile({"size": np.array([1.0, 3.0, np.nan])})["size"]["mean"]
    2.0
    """
    return {name: _column(column) for name, column in columns.items()}


def _column(column: Column) -> dict[str, Any]:
    missing, more = _DESCRIBED[kind(column)](column)
    return {"kind": kind(column), "rows": len(column), "missing": missing, **more}


def _number(column: Column) -> tuple[int, dict[str, Any]]:
    values = cast(Floats, column)
    known = values[np.isfinite(values)]
    missing = len(values) - len(known)
    if len(known) == 0:
        return missing, {}
    with np.errstate(over="ignore", invalid="ignore"):
        found = {"mean": known.mean(), "sd": known.std(), "min": known.min(), "max": known.max()}
        quantiles = np.quantile(known, np.array(QUANTILES) / 100).tolist()
    named = {f"{share}%": value for share, value in zip(QUANTILES, quantiles, strict=True)}
    return missing, {**{name: float(value) for name, value in found.items()}, "quantiles": named}


def _time(column: Column) -> tuple[int, dict[str, Any]]:
    values = cast(Times, column)
    known = values[~np.isnat(values)]
    missing = len(values) - len(known)
    if len(known) == 0:
        return missing, {}
    first, last = np.datetime_as_string(np.array([known.min(), known.max()]), unit="s", timezone="UTC").tolist()
    return missing, {"first": first, "last": last}


def _category(column: Column) -> tuple[int, dict[str, Any]]:
    words = cast(Category, column)
    counts = np.bincount(words.codes + 1, minlength=len(words.vocabulary) + 1).tolist()
    known = sorted((-rows, word) for word, rows in zip(words.vocabulary, counts[1:], strict=True) if rows)
    short = [(word, -rows) for rows, word in known if len(word) <= LONGEST][:FREQUENT]
    frequent = {word: rows / len(words) for word, rows in short}
    return counts[0], {"distinct": len(known), "frequent": frequent} if known else {}


def _block(column: Column) -> tuple[int, dict[str, Any]]:
    values = cast(Floats, column)
    return int((~np.isfinite(values).all(axis=1)).sum()), {"width": values.shape[1]}


_DESCRIBED = {"number": _number, "time": _time, "category": _category, "block": _block}
