from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.columns import Category
from ml_pipeline.models import Standardise
from ml_pipeline.models.standardise import Moments


def test_numbers_and_blocks_get_mean_zero_and_deviation_one() -> None:
    chance = np.random.default_rng(0)
    x = {"a": chance.normal(5, 3, 500), "b": chance.normal([1, -9], [2, 40], (500, 2)), "c": Category.of(["x"] * 500)}
    parameters = Standardise.fit(Standardise().parameters, x, np.zeros(500))
    scaled = Standardise.transform(x, parameters)
    for name in ("a", "b"):
        np.testing.assert_allclose(scaled[name].mean(axis=0), 0.0, atol=1e-14)
        np.testing.assert_allclose(scaled[name].std(axis=0), 1.0, rtol=1e-14)
    assert scaled["c"] is x["c"]
    assert isinstance(parameters["mean"]["a"], float)
    assert [type(each) for each in parameters["mean"]["b"]] == [float, float]


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2000), max_size=6))
def test_a_large_mean_costs_no_digits_however_the_rows_are_parted(seed: int, cuts: list[int]) -> None:
    values = np.random.default_rng(seed).normal(size=2000)
    moved = values + 1e9
    total = Moments.of(moved[:0])
    for part in np.split(moved, sorted(cuts)):
        total = total + Moments.of(part)
    exact = moved - 1e9
    assert total.rows == 2000
    assert total.mean - 1e9 == pytest.approx(exact.mean(), abs=3e-7)
    assert total.scale() == pytest.approx(exact.std(), rel=1e-7)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9 / 3])
def test_a_column_that_never_varies_is_only_centred(value: float) -> None:
    x = {"a": np.full(997, value)}
    parameters = Standardise.fit(Standardise("a").parameters, x, np.zeros(997))
    assert parameters["scale"]["a"] == 1.0
    assert np.abs(Standardise.transform(x, parameters)["a"]).max() <= abs(value) * 1e-15


def test_missing_values_stay_missing_and_count_for_nothing() -> None:
    x = {"a": np.array([1.0, np.nan, 3.0]), "b": np.full(3, np.nan)}
    parameters = Standardise.fit(Standardise().parameters, x, np.zeros(3))
    assert parameters["mean"] == {"a": 2.0, "b": 0.0}
    assert parameters["scale"] == {"a": 1.0, "b": 1.0}
    assert np.isnan(Standardise.transform(x, parameters)["a"]).tolist() == [False, True, False]
