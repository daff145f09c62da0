"""Rows and classes that count more often than others, against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.linear_model import PoissonRegressor, Ridge

from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, take
from ml_pipeline.engines.local import LocalEngine
from ml_pipeline.engines.passes import Passes
from ml_pipeline.errors import ChainError, FitError
from ml_pipeline.models import (
    Levels,
    LinearRegression,
    LogisticRegression,
    PoissonRegression,
    Standardise,
    linear_model,
)
from ml_pipeline.models.linear_model import LinearModel
from tests.contract.compare import bits

ROWS = 3000
MODELS = [LinearRegression, LogisticRegression, PoissonRegression]


def data(model: type[LinearModel], rows: int = ROWS) -> tuple[dict[str, Any], np.ndarray]:
    chance = np.random.default_rng(2)
    x = {
        "a": chance.normal(3.0, 2.0, rows),
        "c": Category(chance.integers(0, 4, rows).astype(np.int32), ("p", "q", "r", "s")),
        "w": np.maximum(chance.gamma(1.0, 2.0, rows) - 0.3, 0.0),
    }
    z = 0.3 * x["a"] - 0.4 * (x["c"].codes == 2) - 1.5
    if model is LogisticRegression:
        return x, (chance.random(rows) < 1 / (1 + np.exp(-z))).astype(float)
    return x, z + chance.normal(size=rows) if model is LinearRegression else chance.poisson(np.exp(z)).astype(float)


def matrix(x: dict[str, Any]) -> np.ndarray:
    return np.column_stack([x["a"], x["c"].codes[:, None] == np.arange(4)])


def vector(parameters: Any) -> np.ndarray:
    theta = parameters["coefficients"]
    return np.array([theta["a"], *theta["c"].values(), parameters["bias"]])


def peer(model: type[LinearModel], x: dict[str, Any], y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of scikit-learn, with a ridge of 2."""
    if model is LinearRegression:
        own: Any = Ridge(alpha=2.0, solver="cholesky")
    elif model is LogisticRegression:
        own = Peer(C=0.5, solver="newton-cholesky", tol=1e-12)
    else:
        own = PoissonRegressor(alpha=2.0 / weights.sum(), solver="newton-cholesky", tol=1e-12)
    own.fit(matrix(x), y, sample_weight=weights)
    return np.append(np.ravel(own.coef_), own.intercept_)


@pytest.mark.parametrize("model", MODELS)
def test_coefficients_with_weights_are_those_of_scikit_learn(model: type[LinearModel]) -> None:
    x, y = data(model)
    found = model.fit(model(ridge=2.0, weight="w").parameters, x, y)
    np.testing.assert_allclose(vector(found), peer(model, x, y, x["w"]), rtol=1e-6, atol=1e-8)
    assert list(found["coefficients"]) == ["a", "c"]
    assert found["fit"]["rows"] == ROWS
    assert "standard_errors" not in found
    assert "weight" in found["fit"]["note"]


@pytest.mark.parametrize("model", MODELS)
def test_wide_models_weigh_rows_alike(model: type[LinearModel], monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = data(model)
    monkeypatch.setattr(linear_model, "WIDE", 0)
    found = model.fit(model(ridge=2.0, weight="w").parameters, x, y)
    np.testing.assert_allclose(vector(found), peer(model, x, y, x["w"]), atol=1e-4)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=10)
@given(seed=st.integers(0, 99))
def test_a_whole_weight_is_so_many_rows(model: type[LinearModel], seed: int) -> None:
    x, y = data(model, 400)
    times = np.random.default_rng(seed).integers(0, 4, 400)
    weighted = model.fit(model(weight="w").parameters, {**x, "w": times.astype(float)}, y)
    del x["w"]
    often = np.repeat(np.arange(400), times)
    repeated = model.fit(model().parameters, take(x, often), y[often])
    np.testing.assert_allclose(vector(weighted), vector(repeated), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("model", MODELS)
def test_a_prediction_needs_no_weight(model: type[LinearModel]) -> None:
    x, y = data(model)
    found = model.fit(model(weight="w").parameters, x, y)
    assert np.array_equal(model.transform({"a": x["a"], "c": x["c"]}, found), model.transform(x, found))


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize("model", MODELS)
def test_weights_that_are_none_are_refused(model: type[LinearModel], wrong: float) -> None:
    x, y = data(model, 50)
    x["w"][7] = wrong
    with pytest.raises(
        FitError, match=r"cannot weigh rows by 'w'.*Given: 1 of 50 rows.*Expected: .*0 or more.*To do: "
    ):
        model.fit(model(weight="w").parameters, x, y)


@pytest.mark.parametrize("model", MODELS)
def test_a_weight_that_is_missing_or_a_feature_or_always_zero_is_refused(model: type[LinearModel]) -> None:
    x, y = data(model, 50)
    with pytest.raises(ChainError, match="needs the column 'v'"):
        model.fit(model(weight="v").parameters, x, y)
    with pytest.raises(ChainError, match="cannot work on the column 'c'"):
        model.fit(model(weight="c").parameters, x, y)
    with pytest.raises(ChainError, match="both weigh rows by 'w' and learn from it"):
        model("a", "w", weight="w")
    with pytest.raises(FitError, match=r"no rows that count.*50 rows, all of weight 0"):
        model.fit(model(weight="w").parameters, {**x, "w": np.zeros(50)}, y)


def test_one_class_that_counts_is_none() -> None:
    x, y = data(LogisticRegression)
    for label in (0, 1):
        with pytest.raises(FitError, match=rf"both classes.*all with label {label}"):
            LogisticRegression.fit(LogisticRegression(weight="w").parameters, {**x, "w": x["w"] * (y == label)}, y)


@pytest.mark.parametrize("pair", [(1.0, 5.0), (0.25, 1.0), (3.0, 3.0)])
@pytest.mark.parametrize("weight", [None, "w"])
def test_class_weights_are_those_of_scikit_learn(pair: tuple[float, float], weight: str | None) -> None:
    x, y = data(LogisticRegression)
    start = LogisticRegression("a", "c", ridge=2.0, class_weights=pair, weight=weight).parameters
    own = Peer(C=0.5, solver="newton-cholesky", tol=1e-12, class_weight=dict(enumerate(pair)))
    own.fit(matrix(x), y, sample_weight=x["w"] if weight else None)
    found = LogisticRegression.fit(start, x, y)
    np.testing.assert_allclose(vector(found), np.append(own.coef_, own.intercept_), rtol=1e-6, atol=1e-8)
    assert "standard_errors" not in found


@pytest.mark.parametrize("pair", [(-1.0, 1.0), (0.0, 0.0), (0.0, 1.0), (1.0, np.nan), (1.0, np.inf), (1.0,), ()])
def test_class_weights_that_are_none_are_refused(pair: Any) -> None:
    with pytest.raises(ChainError, match=r"cannot use those class weights.*Expected: 2 finite numbers above 0"):
        LogisticRegression(class_weights=pair)


class Weighed(Chain):
    features = (Standardise("a"), Levels("c", rare=1), Standardise())
    estimator = LogisticRegression(ridge=(2.0, 1.0), weight="w")


class Confused(Chain):
    features = (Standardise("a", "w"),)
    estimator = LogisticRegression(weight="w")


def test_a_chain_asks_for_the_weight_in_training_alone() -> None:
    assert Weighed.inputs() == {"a": "number", "c": "category"}
    assert Weighed.training_inputs() == {"a": "number", "c": "category", "w": "number"}
    assert Weighed.outputs(Weighed().parameters, Weighed.inputs()) == {"prediction": "number"}
    with pytest.raises(ChainError, match="Confused cannot both weigh rows by 'w' and learn from it"):
        Confused.training_inputs()


def test_encoders_of_a_chain_leave_the_weight_as_it_is() -> None:
    x, y = data(LogisticRegression)
    found = Weighed.fit(Weighed().parameters, x, y)
    scored = {"a": x["a"], "c": x["c"]}
    encoded = Weighed.encode(scored, found)
    assert "w" not in encoded
    assert np.array_equal(Weighed.encode(x, found)["w"], x["w"])
    expected = LogisticRegression.fit(LogisticRegression(ridge=2.0, weight="w").parameters, {**encoded, "w": x["w"]}, y)
    assert found["estimator"]["coefficients"] == expected["coefficients"]
    assert np.array_equal(Weighed.transform(scored, found), Weighed.transform(x, found))
    with pytest.raises(ChainError, match="needs the column 'w'"):
        Weighed.fit(Weighed().parameters, scored, y)


def test_the_number_of_workers_changes_no_bit() -> None:
    x, y = data(LogisticRegression, 4000)
    loads = [lambda part=slice(s, s + 100): {**take(x, part), "y": y[part]} for s in range(0, 4000, 100)]
    found = []
    for workers in (1, 2, 3):
        with Passes(LocalEngine(workers, 64 << 30)) as total:
            found.append(Weighed.fit(Weighed().parameters, loads, lambda batch: batch["y"], total))
    assert bits(found[0]) == bits(found[1]) == bits(found[2])
    whole = Weighed.fit(Weighed().parameters, x, y)
    np.testing.assert_allclose(Weighed.transform(x, found[0]), Weighed.transform(x, whole), rtol=1e-4)
