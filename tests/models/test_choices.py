from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from ml_pipeline.models import metrics
from ml_pipeline.models.choices import Choices, arranged

SEEDS = st.integers(0, 2**32 - 1)
NAMES = ["log_loss", "accuracy", "balanced_accuracy", "macro_roc_auc", "brier"]


def rows(seed: int, count: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities of which some are equal, and weights."""
    chance = np.random.default_rng(seed)
    shares = chance.integers(1, 6, (count, classes)).astype(float)
    p = shares / shares.sum(axis=1, keepdims=True)
    y = (p.cumsum(axis=1) < chance.random((count, 1))).sum(axis=1).clip(0, classes - 1).astype(float)
    return y, p, chance.integers(0, 4, count).astype(float)


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, count=st.integers(10, 300), classes=st.integers(3, 6))
def test_metrics_are_those_of_scikit_learn(seed: int, count: int, classes: int) -> None:
    y, p, weight = rows(seed, count, classes)
    assume((np.bincount(y.astype(int), weight, classes) > 0.0).all())
    ours, chosen, labels = Choices.of(y, p).metrics(weight), p.argmax(axis=1), list(range(classes))
    assert ours["log_loss"] == pytest.approx(peer.log_loss(y, p, sample_weight=weight, labels=labels))
    assert ours["accuracy"] == pytest.approx(peer.accuracy_score(y, chosen, sample_weight=weight))
    assert ours["balanced_accuracy"] == pytest.approx(peer.balanced_accuracy_score(y, chosen, sample_weight=weight))
    areas = [peer.roc_auc_score(y == each, p[:, each], sample_weight=weight) for each in labels]
    assert ours["macro_roc_auc"] == pytest.approx(np.mean(areas))
    assert ours["macro_roc_auc"] == pytest.approx(
        peer.roc_auc_score(y, p, sample_weight=weight, multi_class="ovr", average="macro")
    )
    brier = peer.brier_score_loss(y, p, sample_weight=weight, labels=labels, scale_by_half=False)
    assert ours["brier"] == pytest.approx(brier)


@given(seed=SEEDS)
def test_weights_are_repeats(seed: int) -> None:
    y, p, weight = rows(seed, 60)
    repeats = weight.astype(int)
    again = Choices.of(y.repeat(repeats), p.repeat(repeats, axis=0)).metrics(np.ones(repeats.sum()))
    assert again == pytest.approx(Choices.of(y, p).metrics(weight), nan_ok=True)


@given(seed=SEEDS)
def test_two_classes_are_judged_as_probabilities_are(seed: int) -> None:
    y, p, weight = rows(seed, 60, 2)
    ours = Choices.of(y, p).metrics(weight)
    assert ours["log_loss"] == pytest.approx(metrics.log_loss(y, p[:, 1], weight))
    assert ours["macro_roc_auc"] == pytest.approx(metrics.roc_auc(y, p[:, 1], weight), nan_ok=True)
    assert ours["brier"] == pytest.approx(2.0 * metrics.brier(y, p[:, 1], weight))


def test_a_class_that_does_not_occur_is_left_out_of_averages() -> None:
    y = np.array([0.0, 0.0, 1.0, 1.0])
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]])
    ours = Choices.of(y, p).metrics(np.ones(4))
    assert (ours["balanced_accuracy"], ours["accuracy"]) == (0.75, 0.75)
    # Of the first class one row is a tie with a row of the second, all others are told apart.
    assert ours["macro_roc_auc"] == pytest.approx((0.875 + 1.0) / 2)


def test_one_class_has_no_ranking_but_all_else() -> None:
    ours = Choices.of(np.ones(4), np.tile([0.25, 0.75], (4, 1))).metrics(np.ones(4))
    assert np.isnan(ours.pop("macro_roc_auc"))
    assert ours == pytest.approx(
        {"log_loss": -np.log(0.75), "accuracy": 1.0, "balanced_accuracy": 1.0, "brier": 2 * 0.25**2}
    )


def test_no_rows_have_no_metric() -> None:
    ours = Choices.of(np.zeros(0), np.zeros((0, 3))).metrics(np.zeros(0))
    assert list(ours) == NAMES
    assert np.isnan(list(ours.values())).all()


def test_only_places_of_classes_are_judged() -> None:
    y = np.array([0.0, 2.0, 3.0, 0.5, -1.0, np.nan])
    assert Choices.judges(y, np.zeros((6, 3))).tolist() == [True, True, False, False, False, False]


def test_replicates_are_paired_and_repeatable() -> None:
    y, p, _ = rows(1, 200)
    first, again = (metrics.replicates(y, p, metrics.Bootstrap(7, 20), Choices) for _ in range(2))
    assert list(first) == NAMES
    for name, values in first.items():
        assert values.shape == (20,)
        assert np.array_equal(values, again[name])
    # Cubed and scaled, a row's most probable class stays the same in every replicate.
    cubed = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert np.array_equal(
        metrics.replicates(y, cubed, metrics.Bootstrap(7, 20), Choices)["accuracy"], first["accuracy"]
    )


def test_predictions_are_arranged_by_name_and_those_of_no_class_stay_as_they_are() -> None:
    p = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    assert arranged(p, ("a", "b", "c"), ("a", "b", "c")) is p
    assert arranged(p, ("a", "b", "c"), ("b", "a")).tolist() == [[0.25, 0.5], [1.0, 0.0]]
    assert arranged(p, ("a", "b", "c"), ("d", "c")).tolist() == [[0.0, 0.25], [0.0, 0.0]]
    assert arranged(p[:, 0], (), ()).tolist() == [0.5, 0.0]
