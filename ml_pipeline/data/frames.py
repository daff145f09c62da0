"""Columns to a pandas frame and back, for preparation functions that ask for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_pipeline.columns import Category, Column, Columns
from ml_pipeline.data import arrow

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


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

    if not isinstance(column, Category):
        return column
    return pd.Categorical.from_codes(column.codes, pd.Index(arrow.words_of(column).to_pandas()))


def _column(series: pd.Series) -> Column:
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype):
        return _category(series)
    if series.dtype.kind == "M":
        return series.to_numpy("datetime64[us]")
    if series.dtype.kind in "biuf":
        return series.to_numpy(np.float64)
    if series.dtype.kind != "O":
        raise TypeError(f"the column {series.name!r} of the frame is {series.dtype}: no number, moment or text")
    return arrow.to_column(_texts(series))


def _category(series: pd.Series) -> Column:
    import pyarrow as pa

    codes = series.cat.codes.to_numpy(np.int32)
    words = _texts(series.cat.categories.to_series())
    coded = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), words)
    return arrow.to_column(coded if len(words.unique()) == len(words) else coded.cast(pa.string()))


def _texts(series: pd.Series) -> pa.StringArray:
    """Strings as they are, whatever else there is as `str` writes it, missing values as nulls."""
    import pandas as pd
    import pyarrow as pa

    try:
        texts = pa.array(series, pa.string(), from_pandas=True)
    except (TypeError, ValueError, NotImplementedError):  # what Arrow raises is one of them
        texts = pa.array([None if pd.isna(value) else str(value) for value in series], pa.string())
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
