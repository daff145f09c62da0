from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from ml_pipeline.columns import Category
from ml_pipeline.errors import ChainError, FitError
from ml_pipeline.models import LinearRegression


def data(rows: int = 2000) -> tuple[dict, np.ndarray]:
    chance = np.random.default_rng(3)
    codes = np.minimum(chance.geometric(0.3, rows) - 1, 9).astype(np.int32)
    x = {
        "small": chance.normal(0, 1e-3, rows),
        "large": chance.normal(5e4, 1e4, rows),
        "block": chance.normal(size=(rows, 3)),
        "c": Category(codes, tuple("jihgfedcba")),
    }
    y = 900 * x["small"] + 1e-4 * x["large"] + x["block"] @ [1, -2, 0.5] + codes + chance.normal(size=rows)
    return x, y


def flat(parameters: dict, words: str) -> list[float]:
    theta = parameters["coefficients"]
    return [*theta["block"], theta["large"], theta["small"], *(theta["c"].get(word, 0.0) for word in words)]


@pytest.mark.parametrize("ridge", [0.01, 1.0, 50.0])
def test_coefficients_are_those_of_scikit_learn(ridge: float) -> None:
    x, y = data()
    words = "abcdefghij"
    hot = np.array(x["c"].values())[:, None] == np.array(list(words))
    full = np.column_stack([x["block"], x["large"], x["small"], hot])
    peer = Ridge(alpha=ridge, solver="cholesky", tol=1e-14).fit(full - full.mean(axis=0), y)
    parameters = LinearRegression.fit(LinearRegression(ridge=ridge).parameters, x, y)
    np.testing.assert_allclose(flat(parameters, words), peer.coef_, rtol=1e-6)
    np.testing.assert_allclose(LinearRegression.transform(x, parameters), peer.predict(full - full.mean(axis=0)))
    assert parameters["fit"]["converged"]
    assert parameters["fit"]["iterations"] == 2


def test_the_objective_is_losses_plus_ridge() -> None:
    x, y = data()
    parameters = LinearRegression.fit(LinearRegression(ridge=2.0).parameters, x, y)
    losses = LinearRegression.loss(y, LinearRegression.transform(x, parameters))
    theta = np.array(flat(parameters, "abcdefghij"))
    assert parameters["fit"]["objective"] == pytest.approx(losses.sum() + theta @ theta)


@pytest.mark.parametrize("y", [np.zeros(20), np.full(20, 4.0), np.arange(20.0) * 1e9])
def test_labels_without_noise_are_fitted(y: np.ndarray) -> None:
    parameters = LinearRegression.fit(LinearRegression(ridge=1e-9).parameters, {"a": np.arange(20.0)}, y)
    np.testing.assert_allclose(
        LinearRegression.transform({"a": np.arange(20.0)}, parameters), y, atol=1e-9 * y.max(), rtol=1e-9
    )
    assert parameters["fit"]["converged"]


def test_columns_that_say_the_same_are_usable() -> None:
    chance = np.random.default_rng(0)
    a = chance.normal(1e7, 3e6, 300)
    x = {"a": a, "twin": 2 * a, "constant": np.full(300, 1e9), "never": np.zeros(300)}
    y = 3 * (a - 1e7) / 1e6 + chance.normal(size=300)
    parameters = LinearRegression.fit(LinearRegression().parameters, x, y)
    assert np.std(y - LinearRegression.transform(x, parameters)) < 1.1
    assert parameters["coefficients"]["never"] == pytest.approx(0.0, abs=1e-15)


def test_labels_that_are_missing_and_data_without_rows_are_refused() -> None:
    start = LinearRegression().parameters
    with pytest.raises(FitError, match=r"without a label.*Given: 1 of 2 rows"):
        LinearRegression.fit(start, {"a": np.zeros(2)}, np.array([1.0, np.nan]))
    with pytest.raises(FitError, match="no rows to learn from"):
        LinearRegression.fit(start, {"a": np.zeros(0)}, np.zeros(0))
    with pytest.raises(FitError, match="no rows to learn from"):
        LinearRegression.update(start, None)
    with pytest.raises(FitError, match=r"missing or infinite.*Given: b"):
        LinearRegression.fit(start, {"a": np.zeros(2), "b": np.array([1.0, np.inf])}, np.array([1.0, 2.0]))


@pytest.mark.parametrize("ridge", [-1.0, float("nan"), ()])
def test_a_ridge_that_is_none_is_refused(ridge: float) -> None:
    with pytest.raises(ChainError, match="cannot use that ridge"):
        LinearRegression(ridge=ridge)


def test_a_time_is_refused_and_the_output_is_a_prediction() -> None:
    with pytest.raises(ChainError, match="cannot work on the column 't'"):
        LinearRegression.outputs(LinearRegression().parameters, {"t": "time"})
    assert LinearRegression.outputs(LinearRegression("a").parameters, {"a": "number", "t": "time"}) == {
        "prediction": "number"
    }
