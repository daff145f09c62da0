"""What holds of every model: rows are independent, and sums over parts are sums over the whole."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_pipeline.chain import Chain
from ml_pipeline.columns import Bag, Category, Column, kind, take
from ml_pipeline.models import (
    Cyclic,
    HashedText,
    Impute,
    Levels,
    LinearRegression,
    LogisticRegression,
    ManyLevels,
    Spline,
    Standardise,
)
from ml_pipeline.templates import BaseModel, Parameters


class Reading(Chain):
    features = (ManyLevels("tags", rare=20), HashedText("notes", buckets=16), Standardise("distance"))
    estimator = LogisticRegression()


MODELS = [
    Impute("wind"),
    Spline("distance", "minutes", "wind"),
    Levels("carrier", "origin", rare=20),
    ManyLevels("tags", rare=20),
    HashedText("notes", "tags", buckets=16),
    Cyclic("minutes", period=1440.0, harmonics=3),
    Standardise("distance", "minutes", "wind"),
    LinearRegression("distance", "minutes", "carrier", "origin"),
    LogisticRegression("distance", "minutes", "carrier", "origin"),
    Reading(),
]
any_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)


def plain(result: object) -> dict[str, np.ndarray]:
    """Columns or predictions as arrays whose bits can be compared; categories and bags by word."""
    columns = result if isinstance(result, dict) else {"prediction": result}
    return {n: words(column) if isinstance(column, Category | Bag) else column for n, column in columns.items()}


def words(column: Category | Bag) -> np.ndarray:
    if isinstance(column, Category):
        return column.map(np.array(column.vocabulary, object), "")
    held = [str((*places, column.words)) for places in np.split(column.places, column.offsets[1:-1])]
    return np.array(held, object)


def as_online(x: dict[str, Column]) -> dict[str, Column]:
    """Rows as they come one by one: arrays of their own, a vocabulary of their own."""
    return {n: Category.of(c.values()) if isinstance(c, Category) else np.array(c) for n, c in x.items()}


@any_model
def test_a_row_gives_the_same_bits_alone_and_among_many(model: BaseModel, make_batch: Callable) -> None:
    x, y = make_batch(65_536)
    parameters = type(model).fit(model.parameters, take(x, slice(0, 4000)), y[:4000])
    whole = plain(model.transform(x, parameters))
    for rows in (slice(0, 1), slice(777, 778), slice(65_535, None), slice(64_000, 65_000), slice(1, 9000)):
        part = plain(model.transform(as_online(take(x, rows)), parameters))
        for name, column in whole.items():
            assert np.array_equal(column[rows], part[name], equal_nan=column.dtype != object), name


def fit_in_parts(model: BaseModel, batches: list[tuple[dict, np.ndarray]]) -> Parameters:
    def total(cls: type[BaseModel], parameters: Parameters, x: object, y: object) -> object:
        return functools.reduce(cls.merge, [cls.accumulate(parameters, *batch) for batch in batches])

    return type(model).fit(model.parameters, None, None, total)


def leaves(value: object) -> list:
    """Everything a mapping holds, in order; the fit's report aside, whose gradient is nearly nothing."""
    if isinstance(value, dict):
        return [key for key in value if key != "fit"] + [
            leaf for key, own in value.items() if key != "fit" for leaf in leaves(own)
        ]
    several = list(value) if isinstance(value, list | np.ndarray) else None
    return [value] if several is None else [leaf for own in several for leaf in leaves(own)]


@any_model
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 1500), max_size=5).map(sorted))
def test_any_partition_of_the_rows_gives_the_same_parameters(
    model: BaseModel, make_batch: Callable, seed: int, cuts: list[int]
) -> None:
    x, y = make_batch(1500, seed)
    parts = [slice(*ends) for ends in zip([0, *cuts], [*cuts, 1500], strict=True)]
    batches = [(take(x, part), y[part]) for part in parts]
    fitted = fit_in_parts(model, batches)
    assert leaves(fit_in_parts(model, batches)) == leaves(fitted)
    whole = type(model).fit(model.parameters, x, y)
    for ours, theirs in zip(leaves(fitted), leaves(whole), strict=True):
        assert ours == (pytest.approx(theirs, rel=1e-9, abs=1e-9) if isinstance(theirs, float) else theirs)


@any_model
def test_the_batch_given_is_left_as_it_was(model: BaseModel, make_batch: Callable) -> None:
    x, y = make_batch(300)
    before = {
        name: column.codes.copy() if isinstance(column, Category) else column.copy() for name, column in x.items()
    }
    model.transform(x, type(model).fit(model.parameters, x, y))
    for name, column in x.items():
        now = column.codes if isinstance(column, Category) else column
        assert np.array_equal(now, before[name], equal_nan=True)


@any_model
def test_kinds_after_are_what_outputs_promises(model: BaseModel, make_batch: Callable) -> None:
    x, y = make_batch(300)
    promised = model.outputs(model.parameters, {name: kind(column) for name, column in x.items()})
    result = model.transform(x, type(model).fit(model.parameters, x, y))
    columns = result if isinstance(result, dict) else {"prediction": result}
    assert {name: kind(column) for name, column in columns.items()} == promised
