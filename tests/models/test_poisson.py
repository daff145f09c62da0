from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import PoissonRegressor

from ml_pipeline.columns import Category
from ml_pipeline.errors import FitError
from ml_pipeline.models import PoissonRegression

SCALES = st.floats(-6.0, 9.0)


def data(level: float, rows: int = 3000) -> tuple[dict, np.ndarray]:
    """Counts of which half are below e to the power `level`."""
    chance = np.random.default_rng(5)
    x = {
        "a": chance.normal(size=rows),
        "b": chance.normal(size=(rows, 2)),
        "c": Category(chance.integers(0, 4, rows).astype(np.int32), ("n", "o", "p", "q")),
    }
    z = level + 0.4 * x["a"] - 0.3 * x["b"][:, 1] + 0.2 * (x["c"].codes == 2)
    return x, chance.poisson(np.exp(z)).astype(float)


@pytest.mark.parametrize("ridge", [0.1, 10.0])
@pytest.mark.parametrize("level", [-2.0, 0.0, 6.0])
def test_coefficients_are_those_of_scikit_learn(level: float, ridge: float) -> None:
    x, y = data(level)
    full = np.column_stack([x["a"], x["b"], x["c"].codes[:, None] == np.arange(4)])
    peer = PoissonRegressor(alpha=ridge / len(y), solver="newton-cholesky", tol=1e-12, max_iter=200).fit(full, y)
    parameters = PoissonRegression.fit(PoissonRegression(ridge=ridge).parameters, x, y)
    theta = parameters["coefficients"]
    found = [theta["a"], *theta["b"], *theta["c"].values(), parameters["bias"]]
    np.testing.assert_allclose(found, [*peer.coef_, peer.intercept_], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(PoissonRegression.transform(x, parameters), peer.predict(full), rtol=1e-6)
    assert parameters["fit"]["converged"]


@given(SCALES)
def test_without_a_ridge_as_many_are_expected_as_were_counted(level: float) -> None:
    x, y = data(level, 400)
    if y.sum() < 40:
        return
    parameters = PoissonRegression.fit(PoissonRegression("a", ridge=0.0).parameters, x, y)
    np.testing.assert_allclose(PoissonRegression.transform(x, parameters).sum(), y.sum(), rtol=1e-6)


@pytest.mark.long
def test_a_standard_error_covers_the_truth_as_often_as_it_says() -> None:
    chance, hits = np.random.default_rng(3), 0
    for _ in range(200):
        x = {"a": chance.normal(size=300)}
        y = chance.poisson(np.exp(0.5 + 0.3 * x["a"])).astype(float)
        parameters = PoissonRegression.fit(PoissonRegression(ridge=0.0).parameters, x, y)
        hits += abs(parameters["coefficients"]["a"] - 0.3) < 1.96 * parameters["standard_errors"]["coefficients"]["a"]
    assert 180 <= hits <= 199


def test_the_loss_is_half_the_deviance() -> None:
    y, p = np.array([0.0, 1.0, 5.0]), np.array([0.5, 1.0, 2.0])
    np.testing.assert_allclose(PoissonRegression.loss(y, p), [0.5, 0.0, 5 * np.log(2.5) - 3])


def test_what_is_no_count_is_refused() -> None:
    x = {"a": np.arange(3.0)}
    with pytest.raises(FitError, match="counts only") as refused:
        PoissonRegression.fit(PoissonRegression().parameters, x, np.array([1.0, -2.0, 3.0]))
    assert "1 of 3 rows with a label below 0, such as -2" in str(refused.value)
    with pytest.raises(FitError, match="something was counted"):
        PoissonRegression.fit(PoissonRegression().parameters, x, np.zeros(3))
