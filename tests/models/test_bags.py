"""Linear models on bags, against the same models on the bags written out in full."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as PeerLogistic
from sklearn.linear_model import Ridge as PeerLinear

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.columns import Bag, Category, take
from ml_pipeline.errors import FitError
from ml_pipeline.models import LinearRegression, LogisticRegression
from ml_pipeline.models.linear_model import LinearModel

pytestmark = pytest.mark.long

ROWS = 5000
WORDS = tuple("abcdefg")


def data() -> tuple[dict, dict, np.ndarray, np.ndarray]:
    """Columns with bags, the same with blocks, 0-1 labels and numbers to learn."""
    chance = np.random.default_rng(7)
    text, tags = chance.random((ROWS, 90)) < 0.1, chance.random((ROWS, 7)) < np.linspace(0, 0.8, 7)
    rest = {
        "n": chance.normal(size=ROWS),
        "c": Category(chance.integers(-1, 3, ROWS).astype(np.int32), ("u", "v", "w")),
    }
    z = text @ chance.normal(0, 0.5, 90) + tags @ np.linspace(-1, 1, 7) + rest["n"] + 0.3 * rest["c"].codes - 1
    bags = {"text": bag(text), "tags": bag(tags, WORDS)}
    y = (chance.random(ROWS) < 1 / (1 + np.exp(-z))).astype(float)
    return {**rest, **bags}, {**rest, "text": text * 1.0, "tags": tags * 1.0}, y, z + chance.normal(size=ROWS)


def bag(held: np.ndarray, words: tuple[str, ...] = ()) -> Bag:
    return Bag.of(held.sum(axis=1), np.nonzero(held)[1], held.shape[1], words)


def flat(parameters: dict) -> np.ndarray:
    theta = parameters["coefficients"]
    tags = theta["tags"].values() if isinstance(theta["tags"], dict) else theta["tags"]
    return np.array([parameters["bias"], theta["n"], *tags, *theta["text"], *theta["c"].values()])


@pytest.mark.parametrize("model", [LogisticRegression, LinearRegression])
@pytest.mark.parametrize("ridge", [0.1, 3.0])
def test_a_bag_is_fitted_as_a_block_of_0_and_1(model: type[LinearModel], ridge: float) -> None:
    bags, blocks, label, number = data()
    y = label if model is LogisticRegression else number
    one, other = (model.fit(model(ridge=ridge).parameters, x, y) for x in (bags, blocks))
    np.testing.assert_allclose(flat(one), flat(other), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(flat(one["standard_errors"]), flat(other["standard_errors"]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(model.transform(bags, one), model.transform(blocks, other), rtol=1e-9, atol=1e-9)
    assert list(one["coefficients"]["tags"]) == list(WORDS)


@pytest.mark.parametrize(
    ("model", "peer"),
    [
        (LogisticRegression, PeerLogistic(C=1 / 0.7, solver="newton-cholesky", tol=1e-12, max_iter=100)),
        (LinearRegression, PeerLinear(alpha=0.7, solver="cholesky")),
    ],
)
def test_coefficients_are_those_of_scikit_learn(model: type[LinearModel], peer: object) -> None:
    bags, blocks, label, number = data()
    y = label if model is LogisticRegression else number
    hot = np.array([word or "" for word in bags["c"].values()])[:, None] == np.array(["u", "v", "w"])
    peer.fit(np.column_stack([blocks["n"], blocks["tags"], blocks["text"], hot]), y)
    ours = flat(model.fit(model(ridge=0.7).parameters, bags, y))
    np.testing.assert_allclose(ours, [*np.ravel(peer.intercept_), *np.ravel(peer.coef_)], rtol=1e-6, atol=1e-6)


def test_a_file_and_a_warm_start_keep_the_coefficients() -> None:
    bags, _, y, _ = data()
    fitted = LogisticRegression.fit(LogisticRegression(ridge=(1.0, 0.9)).parameters, bags, y)
    stored = parameters_file.dump(fitted, "Model")
    loaded = parameters_file.load(stored)
    assert b"base64" in stored
    assert isinstance(fitted["coefficients"]["text"], np.ndarray)
    p = LogisticRegression.transform(bags, fitted)
    assert np.array_equal(p, LogisticRegression.transform(bags, loaded))
    assert np.array_equal(p, LogisticRegression.transform(bags, {**loaded, "standard_errors": {}}))
    warm = LogisticRegression.fit(LogisticRegression.vary(loaded, {"ridge": 0.9}), bags, y)
    cold = LogisticRegression.fit(LogisticRegression(ridge=0.9).parameters, bags, y)
    assert warm["fit"]["iterations"] < cold["fit"]["iterations"]
    np.testing.assert_allclose(flat(warm), flat(cold), rtol=1e-6, atol=1e-9)
    assert np.array_equal(LogisticRegression.transform(take(bags, slice(9, 10)), loaded), p[9:10])


def test_bags_of_other_widths_are_not_summed() -> None:
    bags, _, y, _ = data()
    start = LogisticRegression().parameters
    wider = {**bags, "text": Bag(bags["text"].offsets, bags["text"].places, 91)}
    with pytest.raises(FitError, match=r"not have the same columns.*text \(91 wide\)"):
        LogisticRegression.accumulate(start, bags, y) + LogisticRegression.accumulate(start, wider, y)
