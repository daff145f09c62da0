"""Data that a fit may fail on: whatever it is, a usable model comes out, and a sentence where it is not the optimum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml_pipeline.columns import Category
from ml_pipeline.models import LogisticRegression, linear_model

ROWS = 2000


@pytest.fixture(params=["dense", "wide"], autouse=True)
def _kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "wide":
        monkeypatch.setattr(linear_model, "WIDE", 0)


def data() -> tuple[dict[str, Any], np.ndarray]:
    chance = np.random.default_rng(0)
    x = {
        "a": chance.normal(size=ROWS),
        "c": Category(chance.integers(0, 4, ROWS).astype(np.int32), ("p", "q", "r", "s")),
    }
    z = x["a"] + 0.5 * x["c"].codes - 1
    return x, (chance.random(ROWS) < 1 / (1 + np.exp(-z))).astype(float)


def fitted(x: Any, y: np.ndarray, ridge: float = 1.0) -> tuple[dict[str, Any], np.ndarray]:
    found = dict(LogisticRegression.fit(LogisticRegression(ridge=ridge).parameters, x, y))
    p = LogisticRegression.transform(x, found)
    assert np.isfinite(p).all()
    fit = found["fit"]
    assert fit["converged"] or "did not converge" in fit["note"]
    assert fit["note"] == "" or fit["note"].endswith(".")
    return found, p


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_separable_classes(ridge: float) -> None:
    x, _ = data()
    y = (x["a"] > 0.3).astype(float)
    found, p = fitted(x, y, ridge)
    assert np.mean((p > 0.5) == y) > 0.97
    assert found["coefficients"]["a"] > 0


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_collinear_columns(ridge: float) -> None:
    x, y = data()
    found, p = fitted({**x, "twin": 3 * x["a"], "sum": x["a"] + 1.0}, y, ridge)
    assert found["fit"]["converged"]
    np.testing.assert_allclose(p, fitted(x, y, ridge)[1], atol=0.02)


@pytest.mark.parametrize("constant", [0.0, 1.0, 1e6])
def test_a_constant_column(constant: float) -> None:
    x, y = data()
    found, p = fitted({**x, "constant": np.full(ROWS, constant)}, y)
    assert found["fit"]["converged"]
    np.testing.assert_allclose(p, fitted(x, y)[1], atol=1e-3)


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1e3, 1e8])
def test_extreme_scales(scale: float) -> None:
    x, y = data()
    found, p = fitted({**x, "b": np.random.default_rng(1).normal(5.0, 1.0, ROWS) * scale}, y)
    assert found["fit"]["converged"]
    np.testing.assert_allclose(p, fitted(x, y)[1], atol=0.06)


def test_a_year_beside_the_bias() -> None:
    x, y = data()
    year = np.random.default_rng(1).integers(2010, 2016, ROWS).astype(float)
    found, p = fitted({**x, "year": year}, y)
    _, centred = fitted({**x, "year": year - 2013}, y)
    assert found["fit"]["converged"]
    np.testing.assert_allclose(p, centred, atol=1e-3)
