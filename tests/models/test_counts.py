from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from ml_pipeline.models.counts import Counts

SEEDS = st.integers(0, 2**32 - 1)
PEERS = {
    "deviance": peer.mean_poisson_deviance,
    "mae": peer.mean_absolute_error,
    "rmse": peer.root_mean_squared_error,
}


def rows(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    p = np.exp(chance.normal(0.0, 1.5, count))
    return chance.poisson(p).astype(float), p, chance.integers(0, 4, count).astype(float)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, count=st.integers(1, 300))
def test_metrics_are_those_of_scikit_learn(seed: int, count: int) -> None:
    y, p, weight = rows(seed, count)
    assume(y @ weight > 0.0)
    ours = Counts.of(y, p).metrics(weight)
    for name, theirs in PEERS.items():
        assert ours[name] == pytest.approx(theirs(y, p, sample_weight=weight), abs=1e-10)
    assert ours["calibration_ratio"] == pytest.approx((p @ weight) / (y @ weight))


@given(seed=SEEDS)
def test_weights_are_repeats(seed: int) -> None:
    y, p, weight = rows(seed, 60)
    repeats = weight.astype(int)
    again = Counts.of(y.repeat(repeats), p.repeat(repeats))
    assert again.metrics(np.ones(repeats.sum())) == pytest.approx(Counts.of(y, p).metrics(weight), nan_ok=True)


def test_where_nothing_was_counted_there_is_no_ratio_but_all_else() -> None:
    ours = Counts.of(np.zeros(5), np.full(5, 0.5)).metrics(np.ones(5))
    assert np.isnan(ours.pop("calibration_ratio"))
    assert ours == pytest.approx({"deviance": 1.0, "mae": 0.5, "rmse": 0.5})


@pytest.mark.parametrize("p", [0.0, -1.0])
def test_a_count_that_was_ruled_out_costs_much_but_nothing_infinite(p: float) -> None:
    ours = Counts.of(np.array([3.0, 0.0]), np.array([p, p])).metrics(np.ones(2))
    assert 10.0 < ours["deviance"] < 1000.0


def test_no_rows_have_no_metric() -> None:
    assert np.isnan(list(Counts.of(np.zeros(0), np.zeros(0)).metrics(np.zeros(0)).values())).all()


def test_only_finite_labels_of_0_and_more_are_judged() -> None:
    y = np.array([0.0, 2.5, 1e6, -1.0, np.nan, np.inf])
    assert Counts.judges(y, y).tolist() == [True, True, True, False, False, False]
