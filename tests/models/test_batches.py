"""Sums over any parts are sums over the whole, for options that are none of the defaults (see tests/contract)."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_pipeline.chain import Chain
from ml_pipeline.columns import take
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

pytestmark = pytest.mark.long


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
