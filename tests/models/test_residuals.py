from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from ml_pipeline.models.residuals import Residuals

SEEDS = st.integers(0, 2**32 - 1)
PEERS = {"rmse": peer.root_mean_squared_error, "mae": peer.mean_absolute_error, "r2": peer.r2_score}


def rows(seed: int, count: int, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    y = offset + chance.normal(size=count)
    return y, y + chance.normal(0.5, 1.0, count), chance.integers(0, 4, count).astype(float)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, count=st.integers(5, 300), offset=st.sampled_from([0.0, -3.0, 1e4]))
def test_metrics_are_those_of_scikit_learn(seed: int, count: int, offset: float) -> None:
    y, p, weight = rows(seed, count, offset)
    weight[:2] = 1.0
    ours = Residuals.of(y, p).metrics(weight)
    for name, theirs in PEERS.items():
        assert ours[name] == pytest.approx(theirs(y, p, sample_weight=weight), rel=1e-9, abs=1e-9)
    assert ours["bias"] == pytest.approx(np.average(p - y, weights=weight), abs=1e-12)


@given(seed=SEEDS)
def test_the_order_of_rows_does_not_matter_and_weights_are_repeats(seed: int) -> None:
    y, p, weight = rows(seed, 60)
    weight[:2] = 1.0
    order, repeats = np.random.default_rng(seed).permutation(60), weight.astype(int)
    ours = Residuals.of(y, p).metrics(weight)
    assert Residuals.of(y[order], p[order]).metrics(weight[order]) == pytest.approx(ours)
    again = Residuals.of(y.repeat(repeats), p.repeat(repeats))
    assert again.metrics(np.ones(len(again.losses[0]))) == pytest.approx(ours)


def test_labels_that_are_all_the_same_have_no_variance_to_explain_but_all_else() -> None:
    ours = Residuals.of(np.full(7, 0.1), np.full(7, 0.3)).metrics(np.ones(7))
    assert np.isnan(ours.pop("r2"))
    assert ours == pytest.approx({"rmse": 0.2, "mae": 0.2, "bias": 0.2})


def test_no_rows_have_no_metric() -> None:
    assert np.isnan(list(Residuals.of(np.zeros(0), np.zeros(0)).metrics(np.zeros(0)).values())).all()


def test_only_finite_labels_are_judged() -> None:
    y = np.array([-1e9, 0.0, np.nan, np.inf])
    assert Residuals.judges(y, y).tolist() == [True, True, False, False]
