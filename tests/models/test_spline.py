from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import SplineTransformer

from ml_pipeline.errors import ChainError
from ml_pipeline.models import Spline
from ml_pipeline.models.b_spline import basis


def peer(values: np.ndarray, knots: list[float], degree: int) -> np.ndarray:
    transformer = SplineTransformer(degree=degree, knots=np.array(knots)[:, None], extrapolation="constant")
    return transformer.fit(np.array(knots)[:, None]).transform(values[:, None])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(1, 4))
def test_the_basis_is_that_of_scikit_learn(seed: int, count: int, degree: int) -> None:
    chance = np.random.default_rng(seed)
    knots = np.cumsum(chance.uniform(0.2, 3.0, count)).tolist()
    values = np.concatenate([chance.uniform(knots[0] - 2, knots[-1] + 2, 100), knots])
    block = basis(values[None], [knots], degree)[0].T
    np.testing.assert_allclose(block, peer(values, knots, degree), atol=1e-12)


def test_columns_with_fewer_knots_share_a_call() -> None:
    values = np.random.default_rng(0).uniform(-1, 6, (2, 5000))
    few, many = [0.0, 2.0, 5.0], [0.0, 0.5, 1.0, 3.0, 4.0, 5.0]
    blocks = basis(values, [few, many], 3)
    np.testing.assert_allclose(blocks[0, :5].T, peer(values[0], few, 3), atol=1e-12)
    assert not blocks[0, 5:].any()
    np.testing.assert_allclose(blocks[1].T, peer(values[1], many, 3), atol=1e-12)


def test_knots_are_quantiles_of_the_training_values() -> None:
    x = {"a": np.arange(701.0), "b": np.zeros(701)}
    parameters = Spline.fit(Spline("a", knots=8).parameters, x, np.zeros(701))
    assert parameters["positions"] == {"a": pytest.approx([0, 100, 200, 300, 400, 500, 600, 700])}
    out = Spline.transform(x, parameters)
    assert out["a"].shape == (701, 10)
    np.testing.assert_allclose(out["a"].sum(axis=1), 1.0, rtol=1e-14)
    assert out["b"] is x["b"]


def test_equal_knots_are_one_knot() -> None:
    x = {"rain": np.where(np.arange(1000) < 900, 0.0, np.arange(1000.0))}
    positions = Spline.fit(Spline("rain").parameters, x, np.zeros(1000))["positions"]["rain"]
    assert positions == [0.0, 999.0]


@pytest.mark.parametrize("value", [0.0, 7.5, -1e12, np.nan])
def test_a_column_that_never_varies_gives_a_constant_block(value: float) -> None:
    x = {"a": np.full(10, value)}
    parameters = Spline.fit(Spline("a").parameters, x, np.zeros(10))
    block = Spline.transform({"a": np.nan_to_num(x["a"])}, parameters)["a"]
    assert np.isfinite(block).all()
    assert (block == block[0]).all()


def test_missing_rows_are_missing_in_the_whole_block() -> None:
    parameters = {**Spline("a").parameters, "positions": {"a": [0.0, 1.0, 2.0]}}
    block = Spline.transform({"a": np.array([0.5, np.nan, 1.5])}, parameters)["a"]
    assert np.isnan(block).all(axis=1).tolist() == [False, True, False]
    assert np.isfinite(block[[0, 2]]).all()


def test_outputs_are_blocks_and_nonsense_is_refused() -> None:
    assert Spline.outputs(Spline("a").parameters, {"a": "number"}) == {"a": "block"}
    with pytest.raises(ChainError, match="at least 2 knots"):
        Spline("a", knots=1)
