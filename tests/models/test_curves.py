from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as peer

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.models import metrics
from ml_pipeline.models.curves import BARS, POINTS, curves, of_amounts, of_classes, of_probabilities, wilson
from ml_pipeline.models.evaluation import Scored
from tests.report.samples import scored_as

CASES = {"seed": st.integers(0, 2**32 - 1), "count": st.integers(2, 2000), "distinct": st.sampled_from([1, 10, 10**6])}


def rows(seed: int, count: int, distinct: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    p = chance.integers(0, distinct + 1, count) / distinct
    return (chance.random(count) < 0.1 + 0.8 * p).astype(float), p


def pairs(curve: dict[str, list[float]], *names: str) -> np.ndarray:
    return np.array([curve[name] for name in names]).T


@settings(max_examples=40, deadline=None)
@given(**CASES)
def test_roc_is_part_of_scikit_learns_from_corner_to_corner(seed: int, count: int, distinct: int) -> None:
    y, p = rows(seed, count, distinct)
    assume(0 < y.sum() < count)
    ours = pairs(of_probabilities(y, p)["roc"], "fpr", "tpr")
    theirs = np.array(peer.roc_curve(y, p, drop_intermediate=False)[:2]).T
    assert len(ours) <= min(len(theirs), POINTS)
    assert (ours[0] == (0.0, 0.0)).all()
    assert (ours[-1] == (1.0, 1.0)).all()
    assert (np.diff(ours, axis=0) >= 0.0).all()
    assert all(np.isclose(theirs, point).all(axis=1).any() for point in ours)
    # What thinning cuts off is less than a triangle between neighbouring points.
    area = np.trapezoid(ours[:, 1], ours[:, 0])
    assert area == pytest.approx(metrics.roc_auc(y, p), abs=0.02 if len(theirs) > POINTS else 1e-12)


@settings(max_examples=40, deadline=None)
@given(**CASES)
def test_precision_and_recall_are_part_of_scikit_learns(seed: int, count: int, distinct: int) -> None:
    y, p = rows(seed, count, distinct)
    assume(0 < y.sum() < count)
    ours = pairs(of_probabilities(y, p)["precision_recall"], "recall", "precision")
    precision, recall, _ = peer.precision_recall_curve(y, p)
    theirs = np.array([recall, precision]).T
    assert len(ours) <= POINTS
    assert ours[0, 0] == 0.0
    assert ours[-1] == pytest.approx((1.0, y.mean()))
    assert (np.diff(ours[:, 0]) >= 0.0).all()
    assert all(np.isclose(theirs, point).all(axis=1).any() for point in ours[1:])


@settings(max_examples=40, deadline=None)
@given(**CASES)
def test_bins_and_bars_count_every_row_once(seed: int, count: int, distinct: int) -> None:
    y, p = rows(seed, count, distinct)
    found = of_probabilities(y, p)
    bins, bars = found["calibration"], found["histogram"]
    size, mean, rate = (np.array(bins[name]) for name in ("rows", "mean_prediction", "positive_rate"))
    assert size.sum() == count
    assert 1 <= len(size) <= metrics.BINS
    assert mean @ size == pytest.approx(p.sum())
    assert rate @ size == pytest.approx(y.sum())
    assert (np.diff(mean) > 0.0).all()
    assert ((bins["low"] <= rate) & (rate <= bins["high"])).all()
    assert (len(bars["zeros"]), len(bars["ones"])) == (BARS, BARS)
    assert (sum(bars["zeros"]), sum(bars["ones"])) == (count - y.sum(), y.sum())


def test_bins_of_different_scores_are_equally_large_and_give_the_calibration_error() -> None:
    y, p = rows(0, 1000, 10**6)
    bins = of_probabilities(y, p)["calibration"]
    assert bins["rows"] == [100] * 10
    gaps = np.abs(np.subtract(bins["mean_prediction"], bins["positive_rate"]))
    assert gaps.mean() == pytest.approx(metrics.calibration_error(y, p))


@given(share=st.floats(0.0, 1.0), count=st.integers(1, 10**6))
def test_the_interval_is_that_of_scipy(share: float, count: int) -> None:
    hits = round(share * count)
    low, high = wilson(np.array([float(hits)]), np.array([float(count)]))
    theirs = stats.binomtest(hits, count).proportion_ci(0.95, "wilson")
    assert (low[0], high[0]) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_has_no_curve_but_bins_and_bars(label: float) -> None:
    found = of_probabilities(np.full(9, label), np.linspace(0.1, 0.9, 9))
    assert found["roc"] == {"fpr": [], "tpr": []}
    assert found["precision_recall"] == {"recall": [], "precision": []}
    assert found["calibration"]["positive_rate"] == [label] * 9
    assert sum(found["histogram"]["ones"]) == 9 * label


def test_no_rows_have_nothing() -> None:
    found = of_probabilities(np.zeros(0), np.zeros(0))
    assert found["roc"]["fpr"] == found["calibration"]["rows"] == []
    assert sum(found["histogram"]["zeros"]) == 0


@settings(max_examples=40, deadline=None)
@given(seed=CASES["seed"], count=st.integers(2, 500), distinct=CASES["distinct"], offset=st.sampled_from([0.0, -1e4]))
def test_bins_and_bars_of_amounts_count_every_row_once(seed: int, count: int, distinct: int, offset: float) -> None:
    chance = np.random.default_rng(seed)
    p = offset + chance.integers(0, distinct + 1, count) / distinct
    y = p + chance.normal(size=count)
    found = of_amounts(y, {"candidate": p, "champion": p + chance.normal(size=count)})
    assert found["candidate"]["residuals"]["low"] == found["champion"]["residuals"]["low"] <= 0.0
    assert found["candidate"]["residuals"]["high"] == found["champion"]["residuals"]["high"] >= 0.0
    assert [sum(own["residuals"]["counts"]) for own in found.values()] == [count, count]
    bins = found["candidate"]["calibration"]
    size, mean, label = (np.array(bins[name]) for name in ("rows", "mean_prediction", "mean_label"))
    assert size.sum() == count
    assert mean @ size == pytest.approx(p.sum())
    assert label @ size == pytest.approx(y.sum())
    assert (np.diff(mean) > 0.0).all()
    assert ((bins["low"] <= label) & (label <= bins["high"])).all()


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    y = np.random.default_rng(0).normal(1e6, 3.0, 400)
    bins = of_amounts(y, {"candidate": np.zeros(400)})["candidate"]["calibration"]
    half = 1.959963984540054 * stats.sem(y)
    assert bins["low"] + bins["high"] == pytest.approx([y.mean() - half, y.mean() + half], abs=1e-6)


def test_residuals_of_one_value_have_bars_too() -> None:
    found = of_amounts(np.ones(5), {"candidate": np.ones(5)})["candidate"]["residuals"]
    assert (found["low"], found["high"], sum(found["counts"])) == (-0.5, 0.5, 5)


@settings(max_examples=40, deadline=None)
@given(seed=CASES["seed"], count=st.integers(1, 500), classes=st.integers(2, 5))
def test_confusion_is_that_of_scikit_learn_and_its_diagonal_what_is_calibrated(
    seed: int, count: int, classes: int
) -> None:
    chance = np.random.default_rng(seed)
    y, p = chance.integers(0, classes, count).astype(float), chance.dirichlet(np.ones(classes), count)
    found = of_classes(y, p)
    assert found["confusion"] == peer.confusion_matrix(y, p.argmax(axis=1), labels=range(classes)).tolist()
    bins = found["calibration"]
    rate, size = np.array(bins["positive_rate"]), np.array(bins["rows"])
    assert rate @ size == pytest.approx(np.trace(found["confusion"]))
    assert np.array(bins["mean_prediction"]) @ size == pytest.approx(p.max(axis=1).sum())


@pytest.mark.parametrize("predicts", ["probability", "number", "count", "class"])
def test_no_rows_of_any_kind_have_nothing(predicts: Any) -> None:
    nothing = np.zeros((0, 3) if predicts == "class" else 0)
    found = curves(Scored(np.zeros(0), {"candidate": nothing}, {}, predicts))
    assert found["candidate"]["calibration"]["rows"] == []


@pytest.mark.parametrize("predicts", ["probability", "number", "count", "class"])
def test_what_is_found_can_be_stored_as_it_is(predicts: Any) -> None:
    found = curves(scored_as(predicts))
    assert list(found) == ["candidate", "champion"]
    assert plain_yaml.load(plain_yaml.dump(found)) == found
