from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.columns import Category
from ml_pipeline.models import LogisticRegression
from ml_pipeline.models.curvature import newton_step
from ml_pipeline.models.newton import PASSES, advance


def sums_at(parameters: dict, x: dict, y: np.ndarray) -> object:
    return LogisticRegression.accumulate(parameters, x, y)


def objective(parameters: dict, x: dict, y: np.ndarray) -> float:
    theta = np.array(list(parameters["coefficients"].values()))
    return sums_at(parameters, x, y).loss + parameters["ridge"] / 2 * theta @ theta


def test_the_direction_solves_the_equations_whatever_the_units() -> None:
    chance = np.random.default_rng(0)
    root = chance.normal(size=(30, 6)) * np.array([1e-6, 1.0, 1e6, 1e9, 1.0, 3.0])
    gradient = chance.normal(size=6) @ (root.T @ root)
    np.testing.assert_allclose((root.T @ root) @ newton_step(root.T @ root, gradient, 6)[0], -gradient, rtol=1e-9)


def test_no_step_goes_where_nothing_is_known() -> None:
    hessian = np.array([[2.0, 2.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    step, single = newton_step(hessian, np.array([-4.0, -4.0, 0.0]), 3)
    assert not single
    np.testing.assert_allclose(step, [1.0, 1.0, 0.0], atol=1e-12)


def test_a_step_that_makes_it_worse_is_halved_until_it_does_not() -> None:
    chance = np.random.default_rng(1)
    x = {"a": chance.normal(size=400)}
    y = (x["a"] + chance.normal(size=400) > 0).astype(float)
    # So far off that Newton's full step overshoots.
    parameters = {**LogisticRegression(ridge=1e-3).parameters, "bias": 5.0, "coefficients": {"a": -4.0}}
    objectives, halved = [objective(parameters, x, y)], 0
    while "fit" not in parameters:
        before = parameters.get("progress")
        parameters = advance(parameters, sums_at(parameters, x, y), 1.0)
        after = parameters.get("progress")
        halved += bool(before and after and np.array_equal(after["step"], before["step"] / 2))
        objectives.append(objective(parameters, x, y))
    assert halved > 0
    assert max(objectives[1:]) > objectives[0]
    assert parameters["fit"]["converged"]
    assert parameters["fit"]["gradient"] < 1e-3
    assert objectives[-1] == min(objectives)


def test_what_does_not_converge_says_so_in_a_sentence() -> None:
    # Without a ridge, classes that a line parts have no finite optimum.
    x = {"a": np.linspace(-1, 1, 50) * 1e-3 + 0.0}
    y = (x["a"] > 0).astype(float)
    parameters = LogisticRegression.fit(LogisticRegression(ridge=0.0).parameters, x, y)
    assert np.isfinite(parameters["coefficients"]["a"])
    fit = parameters["fit"]
    assert fit["iterations"] <= PASSES
    assert fit["converged"] or "did not converge" in fit["note"]


def test_giving_up_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_pipeline.models.newton.PASSES", 1)
    chance = np.random.default_rng(0)
    x, y = {"a": chance.normal(size=90)}, (chance.random(90) < 0.4).astype(float)
    fit = LogisticRegression.fit(LogisticRegression().parameters, x, y)["fit"]
    assert not fit["converged"]
    assert fit["note"].startswith("Newton's method did not converge in 1 passes over the data")
    assert fit["note"].endswith(".")


def test_batches_that_know_other_words_sum_to_the_words_of_both() -> None:
    start = LogisticRegression().parameters
    y = np.array([1.0, 0.0, 1.0])
    first = sums_at(start, {"c": Category.of(["a", "b", "a"])}, y)
    second = sums_at(start, {"c": Category.of(["c", "b", "b"])}, y)
    whole = sums_at(start, {"c": Category.of(["a", "b", "a", "c", "b", "b"])}, np.tile(y, 2))
    total = first + second
    assert total.layout == whole.layout
    assert total.rows == 6
    np.testing.assert_allclose(total.gradient, whole.gradient, atol=1e-15)
    np.testing.assert_allclose(total.hessian, whole.hessian, atol=1e-15)
