"""The peers that fit a logistic regression of 20 numbers and 11,160 levels, judged on rows that nobody learnt from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks import data, judging
from tests.benchmarks.contenders.matrix import codes, numbers
from tests.benchmarks.judging import Judge, Place, Work


def glum(place: Place) -> Work:
    """Its L-BFGS, on a matrix that keeps categories as codes."""
    import tabmat
    from glum import GeneralizedLinearRegressor

    def matrix(name: str) -> tuple[Any, data.Floats]:
        x, y = numbers(place.data, name)
        levels = [
            tabmat.CategoricalMatrix(own, np.arange(data.LEVELS[column]))
            for column, own in codes(place.data, name).items()
        ]
        return tabmat.SplitMatrix([tabmat.DenseMatrix(x), *levels]), y

    def work() -> Judge:
        x, y = matrix("events")
        model = GeneralizedLinearRegressor(
            family="binomial", alpha=1.0 / len(y), l1_ratio=0, solver="lbfgs", gradient_tol=1e-4, max_iter=1_000
        ).fit(x, y)
        return lambda: _judged(model.predict, *matrix("held-out"))

    return work


def lbfgs(place: Place) -> Work:
    """scikit-learn's default, on a sparse matrix."""
    from sklearn.linear_model import LogisticRegression

    return _scikit_learn(place, lambda rows: LogisticRegression(C=1.0, tol=1e-4, max_iter=1_000))


def sgd(place: Place) -> Work:
    """scikit-learn's stochastic gradient descent: five passes of small steps, averaged, the best of six settings."""
    from sklearn.linear_model import SGDClassifier

    steps = {"learning_rate": "constant", "eta0": 0.01, "average": True, "max_iter": 5, "tol": None}
    return _scikit_learn(place, lambda rows: SGDClassifier(loss="log_loss", alpha=1.0 / rows, random_state=0, **steps))


def _scikit_learn(place: Place, model: Callable[[int], Any]) -> Work:
    """Numbers are standardised first, as is customary for both solvers."""

    def work() -> Judge:
        x, y = numbers(place.data)
        mean, scale = x.mean(axis=0), x.std(axis=0)
        fitted = model(len(y)).fit(_sparse(place, "events", (x - mean) / scale), y)

        def judge() -> dict[str, float]:
            x, y = numbers(place.data, "held-out")
            return _judged(lambda x: fitted.predict_proba(x)[:, 1], _sparse(place, "held-out", (x - mean) / scale), y)

        return judge

    return work


def _sparse(place: Place, name: str, x: data.Floats) -> Any:
    """Numbers and one-hot columns in compressed rows, made without a detour over words."""
    from scipy.sparse import csr_array

    first = len(data.NUMBERS) + np.concatenate([[0], np.cumsum(list(data.LEVELS.values()))[:-1]])
    width = x.shape[1] + len(data.LEVELS)
    values, places = np.ones((len(x), width)), np.empty((len(x), width), np.int32)
    values[:, : x.shape[1]], places[:, : x.shape[1]] = x, np.arange(x.shape[1])
    for column, (start, own) in enumerate(zip(first, codes(place.data, name).values(), strict=True), x.shape[1]):
        places[:, column] = start + own
    rows = np.arange(len(x) + 1, dtype=np.int32) * width
    return csr_array((values.ravel(), places.ravel(), rows), (len(x), x.shape[1] + sum(data.LEVELS.values())))


def _judged(predict: Callable[[Any], data.Floats], x: Any, y: data.Floats) -> dict[str, float]:
    return judging.held_out(y, predict(x))
