"""Newton's step with a lasso, against what defines it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.models.coordinate_descent import lasso_step


def problem(seed: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    root = chance.normal(size=(3 * size, size)) * 10 ** chance.uniform(-3, 3, size)
    root[:, 0] = 1.0
    theta = chance.normal(size=size) * (chance.random(size) < 0.5) / np.abs(root).max(axis=0)
    return root.T @ root, root.T @ chance.normal(size=3 * size), theta


@given(seed=st.integers(0, 10_000), size=st.integers(1, 30), share=st.floats(0.001, 1.5))
def test_no_slope_is_left_after_the_step(seed: int, size: int, share: float) -> None:
    hessian, gradient, theta = problem(seed, size)
    lasso = share * float(np.median(np.abs(gradient)))
    step = lasso_step(hessian, gradient, theta, lasso)
    after, slope = theta + step, gradient + hessian @ step
    rounding = 1e-9 * (np.abs(gradient) + np.abs(hessian) @ np.abs(step) + lasso)
    assert abs(slope[0]) <= rounding[0]
    held = after[1:] != 0.0
    assert (np.abs(slope[1:] + lasso * np.sign(after[1:]))[held] <= rounding[1:][held]).all()
    assert (np.abs(slope[1:])[~held] <= (lasso + rounding[1:])[~held]).all()


def test_columns_beside_the_bias_that_are_nearly_the_same_are_told_apart() -> None:
    chance = np.random.default_rng(0)
    a = chance.normal(size=500)
    root = np.column_stack([np.ones(500), a, a + 1e-4 * chance.normal(size=500), 1e4 + a])
    labels = root[:, 2] + chance.normal(size=500) * 1e-6
    step = lasso_step(root.T @ root + np.diag([0, 1e-9, 1e-9, 1e-9]), -root.T @ labels, np.zeros(4), 1e-5)
    assert step[2] == pytest.approx(1.0, abs=1e-3)


def test_a_column_that_only_repeats_the_bias_gets_no_coefficient() -> None:
    root = np.column_stack([np.ones(50), np.full(50, 1e9), np.linspace(-1, 1, 50), np.zeros(50)])
    theta = np.array([0.5, 3.0, 0.0, 7.0])
    step = lasso_step(root.T @ root, root.T @ (root @ theta - root[:, 2]), theta, 1e-6)
    assert (theta + step)[1] == (theta + step)[3] == 0.0
    assert (theta + step)[[0, 2]] == pytest.approx([0.0, 1.0], abs=1e-4)
