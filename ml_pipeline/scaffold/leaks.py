"""Columns that alone give the label away: they are known only together with it, or say the same in other words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Floats
from ml_pipeline.models.metrics import roc_auc
from ml_pipeline.scaffold.table import MANY, Table

TOO_GOOD = 0.98
"""Area under the ROC curve beyond which no honest column gets."""
ENOUGH = 10
"""Rows of each label below which a column may be that good by chance."""


def leaks(table: Table, label: Floats, own: set[str]) -> list[str]:
    """Their names, in the order of the file.

    Args:
        table: The file.
        label: 1 or 0 for each of its rows, NaN where it is not known. Shape (rows,).
        own: Columns with a part of their own, which are not asked.
    """
    known = np.flatnonzero(~np.isnan(label))
    y = label[known]
    if min(np.sum(y == 0.0), np.sum(y == 1.0)) < ENOUGH:
        return []
    others = [name for name in table.columns if name not in own]
    return [name for name in others if any(_tells(y, score) for score in _scores(table, name, known, y))]


def _tells(y: Floats, score: Floats) -> bool:
    area = roc_auc(y, score)
    return max(area, 1.0 - area) > TOO_GOOD


def _scores(table: Table, name: str, known: npt.NDArray[np.intp], y: Floats) -> Iterator[Floats]:
    """What a column alone could say of the label: that it is missing, its number, the label rate of its level."""
    column, values = table.columns[name], table.values.column(name)
    missing = np.asarray(values.is_null().to_numpy())[known]
    yield missing.astype(np.float64)
    if column.type in ("float64", "bool"):
        numbers = np.asarray(values.cast("float64").to_numpy())[known]
        for place in (-np.inf, np.inf):
            yield np.where(missing, place, numbers)
    if column.type == "string" or (column.type != "timestamp" and column.distinct <= MANY):
        yield _rates(_codes(values)[known], y)


def _codes(values: Any) -> npt.NDArray[np.intp]:
    """A number for each different value, one of them for a missing one."""
    import pyarrow.compute as pc

    codes = values.combine_chunks().dictionary_encode().indices
    return np.asarray(pc.fill_null(codes, -1).to_numpy(zero_copy_only=False), np.intp) + 1


def _rates(codes: npt.NDArray[np.intp], y: Floats) -> Floats:
    """The share of ones that each row's level has in the other half of the rows; of all, where it is not there.

    In its own half, a level that occurs once would foretell its row.
    """
    half = np.random.default_rng(0).permutation(len(y)) % 2 == 0
    rates = np.empty(len(y))
    for mask in (half, ~half):
        rows = np.bincount(codes[~mask], minlength=codes.max() + 1)
        ones = np.bincount(codes[~mask], weights=y[~mask], minlength=len(rows))
        level = np.where(rows > 0, ones / np.maximum(rows, 1), y.mean())
        rates[mask] = level[codes[mask]]
    return rates
