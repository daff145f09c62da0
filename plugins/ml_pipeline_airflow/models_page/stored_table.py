"""A small dataset that a run of monitoring left, as rows."""

from __future__ import annotations

from typing import Any

from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category
from ml_pipeline.contract import StageResult


def stored_rows(room: Store, result: StageResult, name: str) -> list[dict[str, Any]]:
    """Column -> plain value, for each row; none where the run left no such dataset.

    Raises:
        NotFoundError: it is stored no more.
        IntegrityError: it is not what was written.
    """
    keys = [own.key for own in result.artifacts if own.name == name]
    found = [open_dataset(room, key).columns() for key in keys]
    return [
        dict(zip(columns, row, strict=True))
        for columns in found
        for row in zip(*map(_plain, columns.values()), strict=True)
    ]


def _plain(column: Any) -> list[Any]:
    return list(column.values()) if isinstance(column, Category) else column.tolist()
