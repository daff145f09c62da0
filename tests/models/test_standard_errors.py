from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as Peer

from ml_pipeline.columns import Category
from ml_pipeline.models import LinearRegression, LogisticRegression, newton
from ml_pipeline.models.standard_errors import errors

THETA = np.array([-0.4, 0.8, -0.5])


def simulated(seed: int, rows: int = 600, spread: float = 1.0) -> tuple[dict, np.ndarray, np.ndarray]:
    """Columns, the design matrix, and labels that are 1 with the probability of a logistic model."""
    chance = np.random.default_rng(seed)
    x = {"a": chance.normal(0, spread, rows), "b": chance.normal(size=rows)}
    full = np.column_stack([np.ones(rows), x["a"], x["b"]])
    z = full @ (THETA * [1, 1 / spread, 1])
    return x, full, (chance.random(rows) < 1 / (1 + np.exp(-z))).astype(float)


def vector(of: dict) -> np.ndarray:
    return np.array([of["bias"], *of["coefficients"].values()])


def test_without_a_penalty_they_are_those_of_maximum_likelihood() -> None:
    x, full, y = simulated(0, spread=1e-4)
    p = Peer(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(full[:, 1:], y).predict_proba(full[:, 1:])[:, 1]
    information = full.T @ (full * (p * (1 - p))[:, None])
    fitted = LogisticRegression.fit(LogisticRegression(ridge=0.0).parameters, x, y)
    expected = np.sqrt(np.diag(np.linalg.inv(information)))
    np.testing.assert_allclose(vector(fitted["standard_errors"]), expected, rtol=1e-4)


@pytest.mark.parametrize("ridge", [0.0, 5.0])
def test_those_of_linear_regression_scale_with_what_is_left(ridge: float) -> None:
    x, full, _ = simulated(1)
    y = 7 * (full @ THETA + np.random.default_rng(2).normal(size=len(full)))
    fitted = LinearRegression.fit(LinearRegression(ridge=ridge).parameters, x, y)
    inverse = np.linalg.inv(full.T @ full + ridge * np.diag([0, 1, 1]))
    squares = np.square(y - LinearRegression.transform(x, fitted)).sum()
    variance = squares / (len(y) - np.trace(inverse @ full.T @ full))
    expected = np.sqrt(np.diag(inverse @ full.T @ full @ inverse) * variance)
    np.testing.assert_allclose(vector(fitted["standard_errors"]), expected, rtol=1e-9)


@pytest.mark.long
def test_intervals_of_95_percent_hold_the_truth_about_95_times_in_100() -> None:
    inside = []
    for seed in range(200):
        x, _, y = simulated(seed)
        fitted = LogisticRegression.fit(LogisticRegression(ridge=0.1).parameters, x, y)
        inside.append(np.abs(vector(fitted) - THETA) < 1.96 * vector(fitted["standard_errors"]))
    assert ((np.mean(inside, axis=0) > 0.91) & (np.mean(inside, axis=0) < 0.98)).all()


def test_directions_without_curvature_add_nothing() -> None:
    # The first two columns are twins, the last is always 0.
    hessian = np.array([[8.0, 8.0, 0.0], [8.0, 8.0, 0.0], [0.0, 0.0, 0.0]])
    found, freedom = errors(hessian, np.zeros(3))
    np.testing.assert_allclose(found, [8**-0.5 / 2, 8**-0.5 / 2, 0.0], atol=1e-12)
    assert freedom == pytest.approx(1.0)


def test_they_have_the_form_of_the_coefficients_whether_or_not_the_fit_came_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, full, y = simulated(3)
    x |= {"block": full[:, 1:] ** 2, "c": Category.of(["u", "v", "w"] * 200)}
    fitted = LogisticRegression.fit(LogisticRegression().parameters, x, y)
    found = fitted["standard_errors"]
    assert list(found["coefficients"]) == list(fitted["coefficients"]) == ["a", "b", "block", "c"]
    assert list(found["coefficients"]["c"]) == ["u", "v", "w"]
    assert [type(each) for each in found["coefficients"]["block"]] == [float, float]
    monkeypatch.setattr(newton, "PASSES", 1)
    given_up = LogisticRegression.fit(LogisticRegression().parameters, x, y)
    assert not given_up["fit"]["converged"]
    assert given_up["standard_errors"]["bias"] > 0


def test_more_coefficients_than_rows_leave_numbers() -> None:
    x = {"block": np.random.default_rng(0).normal(size=(4, 9))}
    fitted = LinearRegression.fit(LinearRegression(ridge=1e-9).parameters, x, np.arange(4.0))
    assert np.isfinite([fitted["standard_errors"]["bias"], *fitted["standard_errors"]["coefficients"]["block"]]).all()
