"""Linear models of more coefficients than a Hessian has room for, against the same models with their Hessian."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.columns import Bag, Category, take
from ml_pipeline.models import LinearRegression, LogisticRegression, linear_model
from ml_pipeline.models.design import Design
from ml_pipeline.models.layout import Layout
from ml_pipeline.models.linear_model import LinearModel
from ml_pipeline.models.sums import Outline, Product, Sums

ROWS = 4000


def data(seed: int = 0, rows: int = ROWS) -> tuple[dict[str, Any], np.ndarray]:
    chance = np.random.default_rng(seed)
    held = chance.random((rows, 30)) < np.linspace(0.02, 0.5, 30)
    codes = np.minimum(chance.geometric(0.05, rows) - 1, 79).astype(np.int32)
    x = {
        "n": chance.normal(size=rows),
        "block": chance.normal(size=(rows, 3)) * [1.0, 10.0, 0.1],
        "text": Bag.of(held.sum(axis=1), np.nonzero(held)[1], 30),
        "few": Category(chance.integers(-1, 3, rows).astype(np.int32), ("u", "v", "w")),
        "many": Category(codes, tuple(f"w{i:02}" for i in range(80))),
    }
    z = x["n"] + 0.1 * x["block"][:, 1] + held @ np.linspace(-1, 1, 30) + np.sin(codes) - 1
    return x, (chance.random(rows) < 1 / (1 + np.exp(-z))).astype(float)


def flat(value: Any) -> np.ndarray:
    if isinstance(value, dict):
        return np.concatenate([flat(own) for own in value.values()])
    return np.ravel(value)


def coefficients(parameters: Any) -> np.ndarray:
    return np.append(flat(parameters["coefficients"]), parameters["bias"])


def in_parts(model: type[LinearModel], start: Any, batches: list[tuple[dict[str, Any], np.ndarray]]) -> Any:
    def total(cls: Any, parameters: Any, x: Any, y: Any) -> Any:
        return functools.reduce(cls.merge, [cls.accumulate(parameters, *batch) for batch in batches])

    return model.fit(start, None, None, total)


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is too wide."""
    monkeypatch.setattr(linear_model, "WIDE", 0)


@pytest.mark.parametrize("model", [LogisticRegression, LinearRegression])
@pytest.mark.parametrize("ridge", [0.1, 3.0])
def test_the_optimum_is_that_with_the_hessian(
    model: type[LinearModel], ridge: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = data()
    narrow = model.fit(model(ridge=ridge).parameters, x, y)
    monkeypatch.setattr(linear_model, "WIDE", 0)
    found = model.fit(model(ridge=ridge).parameters, x, y)
    assert found["fit"]["converged"]
    np.testing.assert_allclose(coefficients(found), coefficients(narrow), atol=1e-4)
    losses = [model.loss(y, model.transform(x, own)).mean() for own in (found, narrow)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


@pytest.mark.usefixtures("wide")
def test_what_is_learnt_is_plain_and_says_what_is_left_out() -> None:
    x, y = data()
    del x["text"]
    found = LogisticRegression.fit(LogisticRegression().parameters, x, y)
    start = ["columns", "ridge", "lasso", "strengths", "weight", "class_weights"]
    assert list(found) == [*start, "bias", "coefficients", "precision", "fit"]
    plain = {key: own for key, own in found.items() if key != "precision"}
    assert json.loads(json.dumps(plain)) == plain
    assert found["fit"]["note"] == "Standard errors are left out: 88 coefficients are too many to invert their Hessian."
    warm = LogisticRegression.fit(LogisticRegression.vary(found, {"ridge": 0.9}), x, y)
    assert warm["fit"]["iterations"] < found["fit"]["iterations"]


@pytest.mark.usefixtures("wide")
@settings(max_examples=5)
@given(seed=st.integers(0, 99), cuts=st.lists(st.integers(0, ROWS), max_size=4).map(sorted))
def test_any_partition_of_the_rows_gives_the_same_coefficients(seed: int, cuts: list[int]) -> None:
    x, y = data(seed)
    parts = [slice(*ends) for ends in zip([0, *cuts], [*cuts, ROWS], strict=True)]
    start = LogisticRegression(ridge=0.5).parameters
    found = in_parts(LogisticRegression, start, [(take(x, part), y[part]) for part in parts])
    whole = LogisticRegression.fit(start, x, y)
    np.testing.assert_allclose(coefficients(found), coefficients(whole), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("first", [True, False])
def test_batches_on_both_sides_of_the_border_sum_to_an_outline(first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = data()
    y, few = y[:100], {**take(x, slice(0, 100)), "many": Category(np.zeros(100, np.int32), ("w00",))}
    many = {**few, "many": Category((np.arange(100) % 80).astype(np.int32), tuple(f"w{i:02}" for i in range(80)))}
    monkeypatch.setattr(linear_model, "WIDE", 60)
    start = LogisticRegression().parameters
    one, other = (LogisticRegression.accumulate(start, batch, y) for batch in ((few, many) if first else (many, few)))
    assert isinstance(one, Sums)
    assert isinstance(other, Sums)
    total = one + other
    assert isinstance(total.hessian, Outline)
    design = [Design(batch, total.layout, 100) for batch in (few, many)]
    expected = design[0].outline(np.full(100, 0.25)) + design[1].outline(np.full(100, 0.25))
    np.testing.assert_allclose(total.hessian.diagonal, expected.diagonal, atol=1e-9)
    np.testing.assert_allclose(total.hessian.products, expected.products, atol=1e-9)


@pytest.mark.parametrize("singles", [512, 2])
@pytest.mark.parametrize("rows", [0, 1, 5000])
def test_an_outline_is_what_it_is_of_the_hessian(singles: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_pipeline.models.layout.SINGLES", singles)
    x, _ = data(1, max(rows, 2))
    x = take(x, slice(0, rows))
    layout, curvature = Layout.of(x, x), np.random.default_rng(0).random(rows)
    design = Design(x, layout, rows)
    outline, expected = design.outline(curvature), Outline.of(design.hessian(curvature), layout)
    np.testing.assert_allclose(outline.diagonal, expected.diagonal, atol=1e-9)
    np.testing.assert_allclose(outline.products, expected.products, atol=1e-8)
    theta, other = np.random.default_rng(1).normal(size=(2, layout.size()))
    for ours, vector in zip(design.two_scores(theta, other), (theta, other), strict=True):
        np.testing.assert_allclose(ours, design.scores(vector), atol=1e-10)


@pytest.mark.usefixtures("wide")
def test_products_are_those_with_the_hessian() -> None:
    x, y = data()
    start = LogisticRegression().parameters
    begun = LogisticRegression.update(start, LogisticRegression.accumulate(start, x, y))
    product = LogisticRegression.accumulate(begun, x, y)
    assert isinstance(product, Product)
    layout = Layout.of(x, x)
    hessian = Design(x, layout, ROWS).hessian(np.full(ROWS, 0.25))
    np.testing.assert_allclose(product.vector, hessian @ begun["progress"]["solving"].direction, atol=1e-9)
