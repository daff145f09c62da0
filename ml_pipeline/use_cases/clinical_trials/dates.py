"""Dates as the registry writes them."""

from __future__ import annotations

import re

import numpy as np

from ml_pipeline.columns import Category, Times

DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


def moments(dates: Category) -> Times:
    """`2019`, `2019-02` or `2019-02-28` as the first moment of it; NaT for all else.

    >>> moments(Category.of(["2019-02", "soon", None, "2019-02-30"])).astype(str).tolist()
    ['2019-02-01T00:00:00.000000', 'NaT', 'NaT', 'NaT']
    """
    read = [_moment(word) for word in dates.vocabulary]
    return np.asarray(dates.map(np.array(read, "datetime64[us]"), np.datetime64("NaT", "us")), "datetime64[us]")


def _moment(word: str) -> np.datetime64:
    try:
        return np.datetime64(word, "us") if DATE.fullmatch(word) else np.datetime64("NaT", "us")
    except ValueError:
        return np.datetime64("NaT", "us")
