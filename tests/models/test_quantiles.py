from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ml_pipeline.models.quantiles import DISTINCT, Sketch, merge, quantile, sketch

QS = np.linspace(0, 1, 21)


def same(a: Sketch, b: Sketch) -> bool:
    return a.shift == b.shift and np.array_equal(a.keys, b.keys) and np.array_equal(a.counts, b.counts)


@given(arrays(np.float64, st.integers(1, 80), elements=st.floats(-1e12, 1e12)))
def test_few_distinct_values_give_exact_quantiles(values: np.ndarray) -> None:
    np.testing.assert_allclose(quantile(sketch(values), QS), np.quantile(values, QS), rtol=1e-12, atol=1e-12 * 1e12)


@pytest.mark.parametrize("make", ["lognormal", "normal", "exponential"])
def test_many_distinct_values_are_within_a_thousandth(make: str) -> None:
    values = getattr(np.random.default_rng(1), make)(size=30_001)
    exact = np.sort(values)[(QS * 30_000).astype(int)]
    np.testing.assert_allclose(quantile(sketch(values), QS), exact, rtol=1e-3)


def test_zero_is_exactly_zero_and_has_one_sign() -> None:
    values = np.concatenate([np.zeros(5000), -np.zeros(5000), np.random.default_rng(0).normal(size=3000)])
    binned = sketch(values)
    assert binned.shift > 0
    assert quantile(binned, 0.5) == 0.0
    assert len(sketch(np.array([0.0, -0.0])).keys) == 1


def test_missing_and_infinite_values_are_left_out() -> None:
    assert quantile(sketch(np.array([np.nan, 1.0, np.inf, 3.0, -np.inf])), 0.5) == 2.0


def test_no_values_have_no_quantiles() -> None:
    empty = sketch(np.array([np.nan]))
    assert np.isnan(quantile(empty, 0.5))
    assert np.isnan(quantile(empty, [0.1, 0.9])).all()
    assert quantile(merge(empty, sketch(np.array([2.0]))), 0.3) == 2.0


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([10, DISTINCT, 4000]), st.integers(1, 7))
def test_merging_in_any_order_gives_the_sketch_of_all(seed: int, distinct: int, parts: int) -> None:
    chance = np.random.default_rng(seed)
    values = chance.normal(size=distinct)[chance.integers(0, distinct, 5000)] * 1000
    pieces = [sketch(piece) for piece in np.array_split(values, np.sort(chance.integers(0, 5000, parts)))]
    whole = sketch(values)
    left, right = pieces[0], pieces[-1]
    for piece in pieces[1:]:
        left = merge(left, piece)
    for piece in pieces[-2::-1]:
        right = merge(right, piece)
    assert same(left, whole)
    assert same(right, whole)


def test_extreme_magnitudes_keep_their_order() -> None:
    values = np.array([-1e308, -1e-308, 5e-324, 1e-300, 1.0, 1e308])
    assert quantile(sketch(values), np.arange(6) / 5).tolist() == values.tolist()
