"""Rows of the driving source before they are joined: the moment of prediction of each, and what must be set aside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ml_pipeline.chain import REJECTED
from ml_pipeline.columns import Category, Column, Columns, Mask, kind, missing, take
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import Mode
from ml_pipeline.data.conform import Rejects
from ml_pipeline.data.joins import MOMENT
from ml_pipeline.data.rejects import set_apart
from ml_pipeline.durations import duration
from ml_pipeline.errors import SchemaError


def with_moment(batch: Columns, config: UseCaseConfig, mode: Mode, as_of: dt.datetime) -> dict[str, Column]:
    """The rows with the moment of prediction; online it is never later than the as-of, and there is no label.

    Raises:
        SchemaError: a column that is needed of them is not there, or the time is none.
    """
    online = mode == "online"
    if lacking := {config.key, config.time, *(() if online else (config.label,))} - batch.keys():
        raise SchemaError(
            f"the preparation of {config.driving(mode)} does not keep {', '.join(sorted(lacking))}",
            given=", ".join(batch),
            do="keep it",
        )
    if kind(batch[config.time]) != "time":
        raise SchemaError(
            f"the column {config.time!r} says when, but is no moment",
            given=f"a {kind(batch[config.time])} column",
            expected="a column of moments",
            do=f"let the preparation of {config.driving(mode)} make it one",
        )
    moment = np.asarray(batch[config.time], "datetime64[us]") - duration(config.horizon)
    if not online:
        return {**batch, MOMENT: moment}
    known = {name: column for name, column in batch.items() if name != config.label}
    return {**known, MOMENT: np.minimum(moment, _stamp(as_of))}


@lru_cache(16)
def _stamp(moment: dt.datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(dt.UTC).replace(tzinfo=None), "us")


def still_open(batch: Columns, label: str) -> dict[str, Column]:
    """Of rows whose time may have passed those whose label is not known yet; the label itself is taken away."""
    others = {name: column for name, column in batch.items() if name != label}
    return take(others, missing(batch[label])) if label in batch else others


def judged(
    batch: Columns, config: UseCaseConfig, mode: Mode, first: Callable[[Category], Mask]
) -> tuple[dict[str, Column], Rejects]:
    """Good rows, and those that must be set aside: without key, time or label, or of a key that came before.

    Args:
        batch: Rows with key and time, and offline the label.
        config: Of the use case.
        mode: Offline or online.
        first: True for rows whose key has not come before.

    Raises:
        SchemaError: the key is not text.
    """
    key = batch[config.key]
    if not isinstance(key, Category):
        raise SchemaError(f"the key {config.key!r} is not text", do="make it a column of strings in the preparation")
    unlabelled = {} if mode == "online" else {f"{config.label} is missing": missing(batch[config.label])}
    tests = {
        f"{config.key} is missing": key.codes < 0,
        f"{config.time} is missing": missing(batch[config.time]),
        **unlabelled,
        f"{config.key} came before": ~first(key),
    }
    if not any(test.any() for test in tests.values()):
        return dict(batch), []
    codes = np.select(list(tests.values()), list(range(len(tests))), -1).astype(np.int32)
    return set_apart({**batch, REJECTED: Category(codes, tuple(tests))})
