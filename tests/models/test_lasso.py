"""The elastic net of the linear models, against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet
from sklearn.linear_model import LogisticRegression as Peer

from ml_pipeline.columns import Bag, Category, take
from ml_pipeline.engines.local import LocalEngine
from ml_pipeline.engines.passes import Passes
from ml_pipeline.errors import ChainError, FitError
from ml_pipeline.models import (
    LinearRegression,
    LogisticRegression,
    PoissonRegression,
    SoftmaxRegression,
    linear_model,
    working_set,
)
from ml_pipeline.models.linear_model import LinearModel
from tests.contract.compare import bits

ROWS = 2000
WORDS = tuple(f"w{place:02}" for place in range(20))
MODELS = [LinearRegression, LogisticRegression, PoissonRegression]
SCALES = st.sampled_from([0.01, 1.0, 100.0])
STRENGTHS = [(0.0, 5.0), (1.0, 1.0), (0.5, 20.0), (10.0, 60.0)]


def data(model: type[LinearModel], seed: int = 5, rows: int = ROWS) -> tuple[dict[str, Any], np.ndarray]:
    """Of which about half of the columns say nothing."""
    chance = np.random.default_rng(seed)
    codes = np.minimum(chance.geometric(0.15, rows) - 1, 19).astype(np.int32)
    x = {"a": chance.normal(size=rows), "block": chance.normal(size=(rows, 4)), "c": Category(codes, WORDS)}
    z = 0.5 * x["a"] + x["block"] @ [0.6, -0.3, 0.0, 0.0] + np.sin(codes) * (codes % 2) - 0.5
    if model in (LogisticRegression, SoftmaxRegression):
        return x, (chance.random(rows) < 1 / (1 + np.exp(-z))).astype(float)
    return x, z + chance.normal(size=rows) if model is LinearRegression else chance.poisson(np.exp(z)).astype(float)


def matrix(x: dict[str, Any]) -> np.ndarray:
    return np.column_stack([x["a"], x["block"], np.array(x["c"].values())[:, None] == np.array(WORDS)])


def vector(parameters: Any) -> np.ndarray:
    theta = parameters["coefficients"]
    return np.array([theta["a"], *theta["block"], *(theta["c"].get(word, 0.0) for word in WORDS)])


def gradient(model: type[LinearModel], parameters: Any, x: dict[str, Any], y: np.ndarray) -> np.ndarray:
    """Of losses and ridge, the bias last."""
    full, theta = np.column_stack([matrix(x), np.ones(len(y))]), np.append(vector(parameters), parameters["bias"])
    return full.T @ model.derivatives(y, full @ theta)[1] + parameters["ridge"] * np.append(theta[:-1], 0.0)


@pytest.mark.parametrize(("ridge", "lasso"), STRENGTHS)
def test_coefficients_of_logistic_regression_are_those_of_scikit_learn(ridge: float, lasso: float) -> None:
    x, y = data(LogisticRegression)
    both = ridge + lasso
    peer = Peer(C=1 / both, l1_ratio=lasso / both, solver="saga", tol=1e-10, max_iter=100_000).fit(matrix(x), y)
    found = LogisticRegression.fit(LogisticRegression(ridge=ridge, lasso=lasso).parameters, x, y)
    np.testing.assert_allclose([*vector(found), found["bias"]], [*peer.coef_[0], *peer.intercept_], atol=1e-6)
    assert np.array_equal(vector(found) == 0.0, peer.coef_[0] == 0.0)
    assert found["fit"]["converged"]


@pytest.mark.parametrize(("ridge", "lasso"), STRENGTHS)
def test_coefficients_of_linear_regression_are_those_of_scikit_learn(ridge: float, lasso: float) -> None:
    x, y = data(LinearRegression)
    both = ridge + lasso
    peer = ElasticNet(alpha=both / ROWS, l1_ratio=lasso / both, tol=1e-13, max_iter=100_000).fit(matrix(x), y)
    found = LinearRegression.fit(LinearRegression(ridge=ridge, lasso=lasso).parameters, x, y)
    np.testing.assert_allclose([*vector(found), found["bias"]], [*peer.coef_, peer.intercept_], atol=1e-6)
    assert np.array_equal(vector(found) == 0.0, peer.coef_ == 0.0)
    assert found["fit"]["iterations"] == 2


@pytest.mark.long
@pytest.mark.parametrize("model", [*MODELS, SoftmaxRegression])
@settings(max_examples=15)
@given(seed=st.integers(0, 99), ridge=st.sampled_from([0.0, 1.0]), lasso=st.floats(0.5, 50.0), scale=SCALES)
def test_too_many_coefficients_for_a_hessian_reach_the_same_optimum(
    model: type[LinearModel], seed: int, ridge: float, lasso: float, scale: float
) -> None:
    """With the bias alone to begin with, and two more at a time."""
    x, y = data(model, seed, 600)
    x["a"] = scale * x["a"]
    start = model(ridge=ridge, lasso=lasso).parameters
    whole = model.fit(start, x, y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_model, "WIDE", 1)
        patch.setattr(working_set, "MORE", 2)
        some = model.fit(start, x, y)
    assert some["fit"]["converged"]
    assert some["fit"]["objective"] == pytest.approx(whole["fit"]["objective"], rel=1e-5)
    np.testing.assert_allclose(model.transform(x, some), model.transform(x, whole), atol=5e-3 * max(y.std(), 1.0))
    assert "a lasso has chosen" in some["fit"]["note"]


def test_places_of_bags_join_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that say nothing stay out, named or not."""
    chance = np.random.default_rng(2)
    sizes = chance.integers(0, 4, 2000)
    places = np.concatenate([np.sort(chance.choice(50, size, replace=False)) for size in sizes])
    bag = Bag.of(sizes, places, 50)
    held = np.zeros((2000, 50))
    held[bag.row_of(), bag.places] = 1.0
    y = (chance.random(2000) < 1 / (1 + np.exp(-(2 * held[:, 3] - 2 * held[:, 41])))).astype(float)
    monkeypatch.setattr(linear_model, "WIDE", 1)
    for words in ((), tuple(f"w{place:02}" for place in range(50))):
        x = {"text": Bag(bag.offsets, bag.places, 50, words), "a": chance.normal(size=2000)}
        found = LogisticRegression.fit(LogisticRegression(lasso=12.0).parameters, x, y)["coefficients"]["text"]
        own = np.array(list(found.values()) if words else found)
        assert np.flatnonzero(own).tolist() == [3, 41]
        assert own[3] > 0.3
        assert own[41] < -0.1


def test_a_lasso_that_leaves_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = data(LinearRegression)
    monkeypatch.setattr(linear_model, "WIDE", 1)
    monkeypatch.setattr(working_set, "MOST", 4)
    with pytest.raises(FitError, match="too many coefficients that the lasso does not hold at 0") as refused:
        LinearRegression.fit(LinearRegression(lasso=0.1).parameters, x, y)
    assert "choose a larger lasso" in str(refused.value)
    strong = LinearRegression.fit(LinearRegression(lasso=300.0).parameters, x, y)
    assert 0 < np.count_nonzero(vector(strong)) < 4


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=15)
@given(seed=st.integers(0, 99), ridge=st.sampled_from([0.0, 1.0, 30.0]), lasso=st.floats(0.5, 200.0))
def test_no_slope_is_left_at_the_optimum(model: type[LinearModel], seed: int, ridge: float, lasso: float) -> None:
    x, y = data(model, seed, 500)
    found = model.fit(model(ridge=ridge, lasso=lasso).parameters, x, y)
    slope, theta = gradient(model, found, x, y), vector(found)
    assert found["fit"]["converged"]
    assert slope[-1] == pytest.approx(0.0, abs=1e-3)
    np.testing.assert_allclose(slope[:-1][theta != 0.0], -lasso * np.sign(theta[theta != 0.0]), atol=1e-3)
    assert (np.abs(slope[:-1][theta == 0.0]) <= lasso + 1e-3).all()


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=10)
@given(seed=st.integers(0, 99), more=st.floats(1.001, 100.0))
def test_as_much_lasso_as_any_slope_makes_every_coefficient_zero(
    model: type[LinearModel], seed: int, more: float
) -> None:
    x, y = data(model, seed, 300)
    level = float(y.mean())
    enough = np.abs(matrix(x).T @ (level - y)).max()
    found = model.fit(model(lasso=enough * more).parameters, x, y)
    assert not vector(found).any()
    assert model.mean(np.array([found["bias"]])) == pytest.approx(level, abs=1e-6)
    barely = model.fit(model(lasso=enough * 0.99).parameters, x, y)
    assert np.count_nonzero(vector(barely)) > 0


@pytest.mark.parametrize("model", MODELS)
def test_what_is_reported_is_the_objective_and_its_least_slope(model: type[LinearModel]) -> None:
    x, y = data(model)
    found = model.fit(model(ridge=2.0, lasso=15.0).parameters, x, y)
    theta = vector(found)
    losses = model.derivatives(y, matrix(x) @ theta + found["bias"])[0]
    assert found["fit"]["objective"] == pytest.approx(losses.sum() + theta @ theta + 15.0 * np.abs(theta).sum())
    assert found["fit"]["gradient"] < 0.1
    assert "standard_errors" not in found
    assert found["fit"]["note"].startswith("Standard errors are left out: ")


@pytest.mark.parametrize("model", MODELS)
def test_columns_that_say_the_same_or_nothing_are_usable(model: type[LinearModel]) -> None:
    x, y = data(model)
    year = np.random.default_rng(0).integers(2010, 2016, ROWS).astype(float)
    plain, wider = x | {"year": year - 2012}, x | {"year": year, "twin": -3 * x["a"]}
    wider |= {"constant": np.full(ROWS, 1e9), "never": np.zeros(ROWS), "tiny": year * 1e-9}
    for ridge in (0.0, 1.0):
        start = model(ridge=ridge, lasso=10.0).parameters
        found, expected = model.fit(start, wider, y), model.fit(start, plain, y)
        assert found["fit"]["converged"]
        assert found["coefficients"]["constant"] == found["coefficients"]["never"] == 0.0
        assert found["coefficients"]["tiny"] == 0.0
        np.testing.assert_allclose(model.transform(wider, found), model.transform(plain, expected), rtol=0.1, atol=0.02)


def test_steps_that_overshoot_are_halved() -> None:
    x, y = data(LogisticRegression)
    start = LogisticRegression(ridge=1e-3, lasso=3.0).parameters
    far = {**start, "bias": 5.0, "coefficients": {"a": -4.0}}
    found, expected = (LogisticRegression.fit(own, x, y) for own in (far, start))
    assert found["fit"]["iterations"] > expected["fit"]["iterations"]
    np.testing.assert_allclose(vector(found), vector(expected), atol=1e-6)
    assert np.array_equal(vector(found) == 0.0, vector(expected) == 0.0)


def test_ridges_and_lassos_are_variants_that_start_warm() -> None:
    x, y = data(LogisticRegression)
    assert LogisticRegression(lasso=2.0).parameters["strengths"] == []
    start = LogisticRegression(ridge=0.5, lasso=(30.0, 10.0)).parameters
    assert LogisticRegression.variants(start) == [{"lasso": 30.0}, {"lasso": 10.0}]
    paired = LogisticRegression(ridge=(1.0, 2.0), lasso=(3.0, 4.0)).parameters
    assert LogisticRegression.variants(paired) == [{"ridge": 1.0, "lasso": 3.0}, {"ridge": 2.0, "lasso": 4.0}]
    first = LogisticRegression.fit(start, x, y)
    warm = LogisticRegression.fit(LogisticRegression.vary(first, {"lasso": 10.0}), x, y)
    cold = LogisticRegression.fit(LogisticRegression(ridge=0.5, lasso=10.0).parameters, x, y)
    np.testing.assert_allclose(vector(warm), vector(cold), atol=1e-7)
    assert np.count_nonzero(vector(first)) < np.count_nonzero(vector(warm))


@pytest.mark.parametrize("model", MODELS)
def test_the_number_of_workers_changes_no_bit(model: type[LinearModel]) -> None:
    x, y = data(model, rows=4000)
    loads = [lambda part=slice(s, s + 100): {**take(x, part), "y": y[part]} for s in range(0, 4000, 100)]
    named = model("a", "block", "c", lasso=8.0).parameters
    found = []
    for workers in (1, 2, 3):
        with Passes(LocalEngine(workers, 64 << 30)) as total:
            found.append(model.fit(named, loads, lambda batch: batch["y"], total))
    assert bits(found[0]) == bits(found[1]) == bits(found[2])
    np.testing.assert_allclose(vector(found[0]), vector(model.fit(named, x, y)), atol=1e-5)


@pytest.mark.parametrize("lasso", [-1.0, float("nan"), float("inf"), (), (1.0, -2.0)])
def test_a_lasso_that_is_none_is_refused(lasso: Any) -> None:
    with pytest.raises(ChainError, match="cannot use that lasso") as refused:
        LinearRegression(lasso=lasso)
    assert "0 or more" in str(refused.value)


def test_strengths_that_make_no_pairs_are_refused() -> None:
    with pytest.raises(ChainError, match=r"cannot pair.*Given: 2 strengths of the ridge and 3 strengths of the lasso"):
        LinearRegression(ridge=(1.0, 2.0), lasso=(1.0, 2.0, 3.0))
