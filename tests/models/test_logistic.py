from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as Peer

from ml_pipeline.columns import Category
from ml_pipeline.errors import FitError
from ml_pipeline.models import LogisticRegression


def data(rows: int = 4000) -> tuple[dict, np.ndarray]:
    chance = np.random.default_rng(5)
    codes = np.minimum(chance.geometric(0.08, rows) - 1, 39).astype(np.int32)
    x = {
        "small": chance.normal(0, 1e-3, rows),
        "large": chance.normal(2e3, 1e3, rows),
        "block": chance.normal(size=(rows, 3)),
        "c": Category(codes, tuple(f"w{i:02}" for i in range(40))),
    }
    z = x["block"] @ [1, -0.5, 0.2] + 1e-3 * (x["large"] - 2e3) + np.sin(codes) - 1
    return x, (chance.random(rows) < 1 / (1 + np.exp(-z))).astype(float)


def vector(parameters: dict) -> np.ndarray:
    theta = parameters["coefficients"]
    return np.array([*theta["block"], *theta["c"].values(), theta["large"], theta["small"], parameters["bias"]])


@pytest.mark.parametrize("ridge", [0.01, 1.0, 30.0])
def test_coefficients_are_those_of_scikit_learn(ridge: float) -> None:
    x, y = data()
    hot = np.array(x["c"].values())[:, None] == np.array(sorted(x["c"].vocabulary))
    full = np.column_stack([x["block"], hot, x["large"], x["small"]])
    peer = Peer(C=1 / ridge, solver="newton-cholesky", tol=1e-12, max_iter=200).fit(full, y)
    parameters = LogisticRegression.fit(LogisticRegression(ridge=ridge).parameters, x, y)
    expected = np.append(peer.coef_[0], peer.intercept_)
    np.testing.assert_allclose(vector(parameters), expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(LogisticRegression.transform(x, parameters), peer.predict_proba(full)[:, 1], rtol=1e-7)
    assert parameters["fit"]["converged"]


def test_what_is_learnt_is_plain_and_nothing_temporary_stays() -> None:
    x, y = data(500)
    parameters = LogisticRegression.fit(LogisticRegression(ridge=(1.0, 0.1)).parameters, x, y)
    start = ["columns", "ridge", "lasso", "strengths", "weight", "class_weights"]
    assert list(parameters) == [*start, "bias", "coefficients", "precision", "fit", "standard_errors"]
    assert list(parameters["fit"]) == ["rows", "iterations", "objective", "gradient", "converged", "note"]
    precision = parameters.pop("precision")
    assert precision["coefficients"].keys() == parameters["coefficients"].keys()
    assert json.loads(json.dumps(parameters)) == parameters
    assert parameters["fit"]["rows"] == 500
    assert parameters["fit"]["note"] == ""


def test_each_strength_is_a_variant_that_starts_warm() -> None:
    x, y = data(800)
    start = LogisticRegression(ridge=(1.0, 0.5)).parameters
    assert start["ridge"] == 1.0
    assert LogisticRegression.variants(start) == [{"ridge": 1.0}, {"ridge": 0.5}]
    assert LogisticRegression.variants(LogisticRegression().parameters) == []
    first = LogisticRegression.fit(start, x, y)
    varied = LogisticRegression.vary(first, {"ridge": 0.5})
    assert not LogisticRegression.fitted(varied)
    assert varied["coefficients"] == first["coefficients"]
    assert "standard_errors" not in varied
    warm = LogisticRegression.fit(varied, x, y)
    cold = LogisticRegression.fit(LogisticRegression(ridge=0.5).parameters, x, y)
    np.testing.assert_allclose(vector(warm), vector(cold), rtol=1e-6, atol=1e-9)
    assert warm["fit"]["iterations"] < cold["fit"]["iterations"]


def test_probabilities_and_losses_stay_finite_at_any_score() -> None:
    z = np.array([-1e4, -750.0, -40.0, 0.0, 40.0, 750.0, 1e4])
    p = LogisticRegression.mean(z)
    assert ((p >= 0) & (p <= 1)).all()
    assert p[3] == 0.5
    for label in (0.0, 1.0):
        assert np.isfinite(LogisticRegression.loss(np.full(7, label), p)).all()
        assert (LogisticRegression.loss(np.full(7, label), p) >= 0).all()
    assert LogisticRegression.loss(np.ones(1), np.array([0.25]))[0] == pytest.approx(np.log(4))


def test_labels_that_nothing_can_be_learnt_from_are_refused() -> None:
    start, x = LogisticRegression().parameters, {"a": np.arange(3.0)}
    with pytest.raises(FitError, match=r"both classes.*Given: 3 rows, all with label 1"):
        LogisticRegression.fit(start, x, np.ones(3))
    with pytest.raises(FitError, match=r"both classes.*all with label 0"):
        LogisticRegression.fit(start, x, np.zeros(3))
    with pytest.raises(FitError, match=r"0 and 1 only.*such as 2"):
        LogisticRegression.fit(start, x, np.array([0.0, 1.0, 2.0]))
    with pytest.raises(FitError, match="without a label"):
        LogisticRegression.fit(start, x, np.array([0.0, 1.0, np.nan]))
    with pytest.raises(FitError, match="no rows"):
        LogisticRegression.fit(start, {"a": np.zeros(0)}, np.zeros(0))


def test_columns_that_never_vary_or_say_the_same_are_usable() -> None:
    x, y = data(1000)
    x |= {"constant": np.full(1000, 1e9), "never": np.zeros(1000), "twin": -3 * x["large"]}
    parameters = LogisticRegression.fit(LogisticRegression().parameters, x, y)
    p = LogisticRegression.transform(x, parameters)
    assert p.mean() == pytest.approx(y.mean(), abs=1e-6)
    assert np.corrcoef(p, y)[0, 1] > 0.3
    assert parameters["coefficients"]["never"] == pytest.approx(0.0, abs=1e-15)


def test_classes_that_a_line_parts_have_an_optimum_with_a_ridge() -> None:
    a = np.linspace(-1, 1, 100)
    parameters = LogisticRegression.fit(LogisticRegression().parameters, {"a": a}, (a > 0).astype(float))
    peer = Peer(C=1.0, solver="newton-cholesky", tol=1e-12).fit(a[:, None], a > 0)
    assert parameters["coefficients"]["a"] == pytest.approx(peer.coef_[0, 0], rel=1e-6)


def test_a_word_that_training_never_saw_adds_nothing() -> None:
    x, y = data(500)
    parameters = LogisticRegression.fit(LogisticRegression().parameters, x, y)
    row = {name: column[:1] for name, column in x.items()}
    unknown, missing = ({**row, "c": Category.of([word])} for word in ("??", None))
    assert LogisticRegression.transform(unknown, parameters) == LogisticRegression.transform(missing, parameters)
