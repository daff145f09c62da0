"""A chain of all encoders and an estimator, against the same thing built with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression as PeerRegression
from sklearn.preprocessing import SplineTransformer, StandardScaler

from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, take
from ml_pipeline.models import Cyclic, Impute, Levels, LogisticRegression, Spline, Standardise


class Late(Chain):
    features = (
        Impute("wind"),
        Spline("distance", "wind", knots=6),
        Levels("carrier", "origin", rare=30),
        Cyclic("minutes", period=1440.0, harmonics=2),
        Standardise(),
    )
    estimator = LogisticRegression(ridge=0.7)


def spline(values: np.ndarray) -> np.ndarray:
    knots = np.unique(np.quantile(values, np.linspace(0, 1, 6)))[:, None]
    return SplineTransformer(degree=3, knots=knots, extrapolation="constant").fit_transform(values[:, None])


def one_hot(column: Category) -> np.ndarray:
    values = np.array([value or "(other)" for value in column.values()])
    return (values[:, None] == np.append(sorted(column.vocabulary), "(other)")).astype(float)


def peer(x: dict, y: np.ndarray) -> np.ndarray:
    wind = SimpleImputer(strategy="median", add_indicator=True).fit_transform(x["wind"][:, None])
    angle = 2 * np.pi * x["minutes"] / 1440
    waves = [f(h * angle) for h in (1, 2) for f in (np.sin, np.cos)]
    dense = StandardScaler().fit_transform(
        np.column_stack([spline(x["distance"]), spline(wind[:, 0]), wind[:, 1], *waves])
    )
    full = np.hstack([dense, one_hot(x["carrier"]), one_hot(x["origin"])])
    model = PeerRegression(C=1 / 0.7, solver="newton-cholesky", tol=1e-12, max_iter=100).fit(full, y)
    return model.predict_proba(full)[:, 1]


def test_the_chain_predicts_what_scikit_learn_predicts(make_batch: Callable) -> None:
    # Up to 1000 different values, medians and knots are exact.
    x, y = make_batch(1000, seed=8)
    fitted = Late.fit(Late().parameters, x, y)
    assert Late.fitted(fitted)
    np.testing.assert_allclose(Late.transform(x, fitted), peer(x, y), rtol=1e-6)


def test_a_record_alone_scores_as_it_does_in_its_batch(make_batch: Callable) -> None:
    x, y = make_batch(5000)
    fitted = Late.fit(Late().parameters, x, y)
    whole = Late.transform(x, fitted)
    for row in (0, 17, 4999):
        one = take(x, slice(row, row + 1))
        one["carrier"] = Category.of(one["carrier"].values())
        assert Late.transform(one, fitted)[0] == whole[row]
    assert np.array_equal(Late.transform(take(x, slice(100, 3000)), fitted), whole[100:3000])


def test_the_chain_tells_its_inputs_and_its_prediction() -> None:
    inputs = Late.inputs()
    assert inputs == {
        "wind": "number",
        "distance": "number",
        "carrier": "category",
        "origin": "category",
        "minutes": "number",
    }
    assert Late.outputs(Late().parameters, {**inputs, "spare": "time"}) == {"prediction": "number"}
