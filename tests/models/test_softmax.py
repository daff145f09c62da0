from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression as Peer

from ml_pipeline.chain import Chain
from ml_pipeline.columns import MISSING, Bag, Category, take
from ml_pipeline.errors import ChainError, FitError
from ml_pipeline.models import Levels, LogisticRegression, SoftmaxRegression, Standardise, linear_model
from ml_pipeline.models.explanation import reasons
from ml_pipeline.models.layout import ClassLayout, Layout

CLASSES = ("low", "middle", "high")


def data(rows: int = 1500, seed: int = 3) -> tuple[dict, np.ndarray]:
    """Rows of three classes, which a number, a block and a category tell apart."""
    chance = np.random.default_rng(seed)
    x = {
        "a": chance.normal(size=rows),
        "b": chance.normal(size=(rows, 2)),
        "c": Category(chance.integers(-1, 4, rows).astype(np.int32), ("n", "o", "p", "q")),
    }
    z = matrix(x) @ chance.normal(size=(7, 3)) + [0.5, 0.0, -1.0]
    return x, np.argmax(z + chance.gumbel(size=z.shape), axis=1).astype(float)


def matrix(x: dict) -> np.ndarray:
    return np.column_stack([x["a"], x["b"], x["c"].codes[:, None] == np.arange(4)])


def fitted(x: dict, y: np.ndarray, **options: object) -> dict:
    return SoftmaxRegression.fit(SoftmaxRegression(classes=CLASSES, **options).parameters, x, y)


def theta(parameters: dict) -> np.ndarray:
    return np.array([[own["a"], *own["b"], *own["c"].values()] for own in parameters["coefficients"].values()])


def peer(x: dict, y: np.ndarray, ridge: float, **options: object) -> Peer:
    return Peer(C=1 / ridge, solver="newton-cholesky", tol=1e-13, max_iter=500, **options).fit(matrix(x), y)


@pytest.mark.parametrize("ridge", [0.1, 10.0])
def test_coefficients_are_those_of_scikit_learn(ridge: float) -> None:
    x, y = data()
    found, wanted = fitted(x, y, ridge=ridge), peer(x, y, ridge)
    assert found["fit"]["converged"]
    np.testing.assert_allclose(theta(found), wanted.coef_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(SoftmaxRegression.transform(x, found), wanted.predict_proba(matrix(x)), atol=1e-7)


def test_many_coefficients_reach_the_same_optimum_without_a_hessian(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = data()
    monkeypatch.setattr(linear_model, "WIDE", 5)
    found = fitted(x, y, ridge=2.0)
    assert "too many to invert" in found["fit"]["note"]
    np.testing.assert_allclose(theta(found), peer(x, y, 2.0).coef_, atol=1e-5)


def test_weights_of_rows_and_classes_count_as_in_scikit_learn() -> None:
    x, y = data()
    weight = np.random.default_rng(1).integers(0, 4, len(y)).astype(float)
    found = fitted({**x, "often": weight}, y, ridge=1.0, weight="often", class_weights=(1.0, 2.0, 5.0))
    wanted = Peer(C=1.0, solver="newton-cholesky", tol=1e-13, max_iter=500, class_weight={0: 1, 1: 2, 2: 5})
    np.testing.assert_allclose(theta(found), wanted.fit(matrix(x), y, weight).coef_, rtol=1e-6, atol=1e-6)
    assert "weight does not tell" in found["fit"]["note"]


@pytest.mark.parametrize("lasso", [5.0, 40.0])
def test_a_lasso_is_at_an_optimum_of_its_objective(lasso: float) -> None:
    """Where a coefficient is not 0 the slope of the losses balances the lasso; where it is 0, it stays within."""
    x, y = data()
    found = fitted(x, y, ridge=0.5, lasso=lasso)
    residual = SoftmaxRegression.transform(x, found) - (y[:, None] == np.arange(3))
    own = theta(found)
    slope = residual.T @ matrix(x) + 0.5 * own
    assert (own == 0.0).any()
    np.testing.assert_allclose(slope[own != 0.0], -lasso * np.sign(own[own != 0.0]), atol=1e-2)
    assert np.abs(slope[own == 0.0]).max() <= lasso + 1e-2
    np.testing.assert_allclose(residual.sum(axis=0), 0.0, atol=1e-2)


def test_two_classes_are_a_logistic_regression() -> None:
    """Of two opposite coefficients each has half the size, and so half the penalty's cost is to be paid twice."""
    x, y = data()
    y = (y == 2.0).astype(float)
    both = SoftmaxRegression.fit(SoftmaxRegression(ridge=2.0).parameters, x, y)
    one = LogisticRegression.fit(LogisticRegression(ridge=1.0).parameters, x, y)
    np.testing.assert_allclose(
        SoftmaxRegression.transform(x, both)[:, 1], LogisticRegression.transform(x, one), atol=1e-7
    )


def test_standard_errors_are_those_of_a_logistic_regression() -> None:
    x, y = data()
    y, only = (y == 2.0).astype(float), {"a": x["a"]}
    both = SoftmaxRegression.fit(SoftmaxRegression(ridge=0.0).parameters, only, y)
    one = LogisticRegression.fit(LogisticRegression(ridge=0.0).parameters, only, y)
    half = both["standard_errors"]["coefficients"]["1"]["a"]
    np.testing.assert_allclose(2.0 * half, one["standard_errors"]["coefficients"]["a"], rtol=1e-5)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_the_same_coefficients_from_any_parts(sizes: list[int]) -> None:
    x, y = data(240)
    whole = fitted(x, y)
    borders = [0, *np.cumsum(sizes).tolist(), len(y)]

    def total(model: type[SoftmaxRegression], parameters: dict, x: dict, y: np.ndarray) -> object:
        batches = [(take(x, slice(*ends)), y[slice(*ends)]) for ends in itertools.pairwise(borders)]
        return functools.reduce(
            model.merge, [model.accumulate(parameters, *batch) for batch in batches if len(batch[1])]
        )

    parts = SoftmaxRegression.fit(SoftmaxRegression(classes=CLASSES).parameters, x, y, total)
    np.testing.assert_allclose(theta(parts), theta(whole), rtol=1e-9, atol=1e-11)


@given(st.integers(0, 199), st.integers(1, 200))
def test_a_row_has_the_same_bits_in_any_batch(start: int, length: int) -> None:
    x, y = data(200)
    parameters = fitted(x, y)
    rows = slice(start, start + length)
    whole, some = (SoftmaxRegression.transform(each, parameters) for each in (x, take(x, rows)))
    assert whole[rows].tobytes() == some.tobytes()
    np.testing.assert_allclose(whole.sum(axis=1), 1.0, rtol=1e-12)


def test_separable_data_and_constant_and_collinear_columns_give_a_usable_model() -> None:
    place = np.repeat([0.0, 1.0, 2.0], 50)
    x = {"a": place, "twice": 2 * place, "same": np.full(150, 3.0)}
    parameters = fitted(x, place, ridge=1e-3)
    assert (SoftmaxRegression.transform(x, parameters).argmax(axis=1) == place).all()
    assert np.isfinite([parameters["bias"][name] for name in CLASSES]).all()


def test_labels_are_words_or_numbers() -> None:
    parameters = SoftmaxRegression(classes=("late", "early", "2.5")).parameters
    words = Category(np.array([1, 0, MISSING], np.int32), ("late", "early"))
    np.testing.assert_array_equal(SoftmaxRegression.labels(parameters, words), [1.0, 0.0, np.nan])
    np.testing.assert_array_equal(SoftmaxRegression.labels(parameters, np.array([2.5, np.nan])), [2.0, np.nan])
    with pytest.raises(FitError, match="does not know every class") as refused:
        SoftmaxRegression.labels(parameters, Category.of(["late", "never", "never"]))
    assert "2 of 3 rows with another label, such as 'never'" in str(refused.value)
    with pytest.raises(FitError, match="words or numbers"):
        SoftmaxRegression.labels(parameters, np.array(["2024-01-01"], "datetime64[us]"))


def test_the_prediction_is_the_most_probable_class_and_of_equal_ones_the_first() -> None:
    parameters = SoftmaxRegression(classes=CLASSES).parameters
    named = SoftmaxRegression.named(parameters, np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]]))
    assert named["prediction"].values() == ["middle", "low"]
    assert named["probability"].tolist() == [0.5, 0.4]
    assert named["probability_high"].tolist() == [0.3, 0.4]
    assert list(named) == ["prediction", "probability", *(f"probability_{name}" for name in CLASSES)]


@pytest.mark.parametrize("classes", [("a",), ("a", "a", "b"), (1, 2)])
def test_classes_that_cannot_be_told_apart_are_refused(classes: tuple) -> None:
    with pytest.raises(ChainError, match="two or more words, no two alike"):
        SoftmaxRegression(classes=classes)


def test_a_class_without_rows_is_refused_by_its_name() -> None:
    x, y = data()
    with pytest.raises(FitError, match="none of high among") as refused:
        fitted(take(x, y < 2.0), y[y < 2.0])
    assert "low, middle, high" in str(refused.value)


@pytest.mark.parametrize("label", [3.0, -1.0, 0.5, np.nan])
def test_what_is_no_place_of_a_class_is_refused(label: float) -> None:
    x, y = data()
    with pytest.raises(FitError, match="1 of 1500 rows"):
        fitted(x, np.append(y[1:], label))


def test_bags_and_words_of_a_later_batch_have_coefficients_for_every_class() -> None:
    one = Layout.of({"tags": Bag.of([1], [0], 2), "word": Category.of(["b"])}, ["tags", "word"])
    layout = ClassLayout.of_classes(one, CLASSES)
    wider = layout | Layout.of({"tags": Bag.of([1], [0], 2), "word": Category.of(["a"])}, ["tags", "word"])
    vector = np.arange(float(layout.size()))
    spread = np.zeros(wider.size())
    spread[layout.places(wider)] = vector
    found, wanted = wider.named(spread), layout.named(vector)
    assert found["bias"] == wanted["bias"]
    for name in CLASSES:
        assert found["coefficients"][name]["word"] == {"a": 0.0, **wanted["coefficients"][name]["word"]}
        np.testing.assert_array_equal(found["coefficients"][name]["tags"], wanted["coefficients"][name]["tags"])
    np.testing.assert_array_equal(wider.vector(found), spread)


class Sizes(Chain):
    features = (Standardise("a"), Levels("c"))
    estimator = SoftmaxRegression(classes=CLASSES)


def test_reasons_are_those_of_the_most_probable_class() -> None:
    x, y = data()
    parameters = Sizes.fit(Sizes.start(), {name: x[name] for name in ("a", "c")}, y)
    some = take({name: x[name] for name in ("a", "c")}, slice(0, 40))
    said = reasons(Sizes, some, parameters, 2)
    best = Sizes.transform(some, parameters).argmax(axis=1)
    encoded = Sizes.encode(some, parameters)
    for row, place in enumerate(best.tolist()):
        own = parameters["estimator"]["coefficients"][CLASSES[place]]["a"] * encoded["a"][row]
        lines = (said["speaks_for" if own > 0 else "speaks_against"].values()[row] or "").split("\n")
        assert abs(own) < 0.005 or any(line.startswith("a ") and line.endswith(f"({own:+.2f})") for line in lines)
