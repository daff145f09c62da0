"""Columns to a pandas frame and back, for preparation functions that ask for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_pipeline.columns import Category, Column, Columns

if TYPE_CHECKING:
    import pandas as pd


def to_frame(columns: Columns) -> pd.DataFrame:
    """A frame with categories as categorical columns."""
    import pandas as pd

    return pd.DataFrame({name: _series(column) for name, column in columns.items()})


def from_frame(frame: pd.DataFrame) -> dict[str, Column]:
    """Columns of a frame: strings and categoricals become categories, all else numbers or moments.

    Raises:
        TypeError: a column is none of these, such as a length of time.
    """
    return {str(name): _column(frame[name]) for name in frame.columns}


def _series(column: Column) -> object:
    import pandas as pd

    return (
        pd.Categorical.from_codes(column.codes.tolist(), pd.Index(column.vocabulary))
        if isinstance(column, Category)
        else column
    )


def _column(series: pd.Series) -> Column:
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype):
        return Category(series.cat.codes.to_numpy().astype(np.int32), tuple(map(str, series.cat.categories)))
    if series.dtype.kind == "M":
        return series.to_numpy("datetime64[us]")
    if series.dtype.kind in "biuf":
        return series.to_numpy(np.float64)
    if series.dtype.kind != "O":
        raise TypeError(f"the column {series.name!r} of the frame is {series.dtype}: no number, moment or text")
    return Category.of([None if pd.isna(value) else str(value) for value in series])
