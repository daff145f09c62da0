from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from ml_pipeline.models import metrics


def rows(seed: int, count: int, distinct: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    p = chance.integers(0, distinct + 1, count) / distinct
    return (chance.random(count) < p).astype(float), p, chance.integers(0, 4, count).astype(float)


PEERS = {
    "roc_auc": peer.roc_auc_score,
    "average_precision": peer.average_precision_score,
    "log_loss": lambda y, p, sample_weight: peer.log_loss(y, p, sample_weight=sample_weight, labels=[0, 1]),
    "brier": peer.brier_score_loss,
}


@pytest.mark.parametrize("name", PEERS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(5, 300), distinct=st.sampled_from([2, 10, 10**6]))
def test_metrics_are_those_of_scikit_learn(name: str, seed: int, count: int, distinct: int) -> None:
    y, p, weight = rows(seed, count, distinct)
    assume(0 < y @ weight < weight.sum())
    ours = getattr(metrics, name)
    assert ours(y, p, weight) == pytest.approx(PEERS[name](y, p, sample_weight=weight), abs=1e-12)
    assert ours(y, p) == pytest.approx(PEERS[name](y, p, sample_weight=np.ones(count)), abs=1e-12)


@pytest.mark.parametrize("name", [*PEERS, "calibration_error"])
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter_and_weights_are_repeats(name: str, seed: int) -> None:
    y, p, weight = rows(seed, 60, 5)
    metric = getattr(metrics, name)
    order = np.random.default_rng(seed).permutation(60)
    assert metric(y[order], p[order], weight[order]) == pytest.approx(metric(y, p, weight), nan_ok=True)
    if name != "calibration_error":
        repeats = weight.astype(int)
        assert metric(y, p, weight) == pytest.approx(metric(y.repeat(repeats), p.repeat(repeats)), nan_ok=True)


def test_calibration_error_is_the_mean_gap_over_ten_equal_bins() -> None:
    chance = np.random.default_rng(0)
    p = chance.random(1000)
    y = (chance.random(1000) < p**2).astype(float)
    order = np.argsort(-p)
    gaps = [abs(y[part].mean() - p[part].mean()) for part in np.split(order, 10)]
    assert metrics.calibration_error(y, p) == pytest.approx(np.mean(gaps))


def test_calibration_of_one_score_is_the_difference_of_the_means() -> None:
    assert metrics.calibration_error(np.array([1.0, 0.0, 0.0, 0.0]), np.full(4, 0.5)) == pytest.approx(0.25)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_has_no_ranking_but_all_else(label: float) -> None:
    y, p = np.full(9, label), np.linspace(0.1, 0.9, 9)
    assert np.isnan(metrics.roc_auc(y, p))
    assert np.isnan(metrics.average_precision(y, p))
    assert metrics.brier(y, p) == pytest.approx(np.square(y - p).mean())
    assert np.isfinite(metrics.log_loss(y, p))
    assert np.isfinite(metrics.calibration_error(y, p))


@pytest.mark.parametrize("name", [*PEERS, "calibration_error"])
def test_no_rows_have_no_metric(name: str) -> None:
    assert np.isnan(getattr(metrics, name)(np.zeros(0), np.zeros(0)))


def test_replicates_are_paired_and_repeatable() -> None:
    y, p, _ = rows(1, 500, 10**6)
    first, again, other = (metrics.replicates(y, p, metrics.Bootstrap(seed, 20)) for seed in (7, 7, 8))
    assert list(first) == ["roc_auc", "average_precision", "log_loss", "brier", "calibration_error"]
    for name, values in first.items():
        assert values.shape == (20,)
        assert np.array_equal(values, again[name])
        assert not np.array_equal(values, other[name])
    # A model that ranks alike differs by nothing in any replicate, though its rows sort differently by value.
    assert np.array_equal(metrics.replicates(y, p / 2, metrics.Bootstrap(7, 20))["roc_auc"], first["roc_auc"])


def test_the_interval_covers_as_the_theory_says() -> None:
    y, p, _ = rows(2, 4000, 10**6)
    low, high = metrics.interval(metrics.replicates(y, p, metrics.Bootstrap(0, 300))["brier"])
    error = np.square(y - p).std() / np.sqrt(4000)
    assert low < metrics.brier(y, p) < high
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.2)


def test_rows_of_a_block_count_as_one() -> None:
    y, p, _ = rows(3, 200, 10**6)
    many, blocks = np.tile(np.arange(200), 10), np.tile(np.arange(200), 10)
    drawn = metrics.replicates(y[many], p[many], metrics.Bootstrap(5, 100, blocks))
    once = metrics.replicates(y, p, metrics.Bootstrap(5, 100))
    for name in ("log_loss", "brier", "roc_auc"):
        assert drawn[name] == pytest.approx(once[name], rel=1e-9)


def test_blocks_of_other_rows_are_refused() -> None:
    y, p, _ = rows(3, 200, 10**6)
    with pytest.raises(ValueError, match="100 rows have blocks, and there are 200"):
        metrics.replicates(y, p, metrics.Bootstrap(5, 10, np.arange(100)))


def test_an_interval_leaves_out_what_is_not_known() -> None:
    assert metrics.interval(np.array([np.nan, 1.0, 3.0]), level=0.5) == (1.5, 2.5)
    assert np.isnan(metrics.interval(np.array([np.nan]))).all()
