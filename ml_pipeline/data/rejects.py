"""Rows that a chain rejected, as records to be set aside."""

from __future__ import annotations

from typing import Any

from ml_pipeline.chain import REJECTED, split_rejected
from ml_pipeline.columns import Category, Column, Columns
from ml_pipeline.data.conform import Rejects


def set_apart(batch: Columns) -> tuple[dict[str, Column], Rejects]:
    """The good rows of a batch, and the others as (reason, record).

    >>> import numpy as np
    >>> set_apart({"a": np.array([1.0, 2.0]), "rejected": Category.of([None, "too much"])})
    ({'a': array([1.])}, [('too much', {'a': 2.0})])
    """
    good, bad = split_rejected(batch)
    reasons = bad.get(REJECTED)
    if not isinstance(reasons, Category):
        return good, []
    plain = {name: _values(column) for name, column in bad.items() if name != REJECTED}
    records = [{name: values[row] for name, values in plain.items()} for row in range(len(reasons))]
    return good, [(str(reason), record) for reason, record in zip(reasons.values(), records, strict=True)]


def _values(column: Column) -> list[Any]:
    return column.values() if isinstance(column, Category) else column.tolist()
