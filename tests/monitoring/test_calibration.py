"""Predictions that are not what they say are told of, beside what the test rows had promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml_pipeline.models.calibration_slope import SLOPE, slope
from ml_pipeline.models.evaluation import Rules
from ml_pipeline.monitoring.calibration import calibration, in_the_mean, standard_error
from ml_pipeline.monitoring.performance import Outcome, measured

RULES = Rules({}, {}, 50, 1)


def outcome(count: int = 4000, spread: float = 1.0, seed: int = 3) -> Outcome:
    """Probabilities whose logits are so many times the true ones."""
    chance = np.random.default_rng(seed)
    logit = chance.normal(0.0, 1.0, count)
    y = (chance.random(count) < 1.0 / (1.0 + np.exp(-logit))).astype(np.float64)
    return Outcome(y, 1.0 / (1.0 + np.exp(-spread * logit)), {}, "probability", ())


def said(own: Outcome, then: Outcome | None = None) -> dict[str, tuple[str, str]]:
    """Severity and sentence by how the sentence begins."""
    before: dict[str, Any] = {**measured(then, RULES), SLOPE: slope(then.y, then.p)} if then else {}
    found = calibration(own, measured(own, RULES), before)
    return {one.sentence.partition(" is ")[0]: (one.severity, one.sentence) for one in found}


def test_predictions_that_are_right_are_ok() -> None:
    found = said(outcome(), outcome(seed=4))
    assert {severity for severity, _ in found.values()} == {"ok"}
    assert "and was" in found["calibration_error"][1]
    assert "on its test rows; 1 is right." in found["The calibration slope"][1]


def test_of_few_rows_chance_makes_a_calibration_error() -> None:
    for seed in range(20):
        assert said(outcome(60, seed=seed), outcome(seed=99))["calibration_error"][0] == "ok"


@pytest.mark.parametrize(
    ("spread", "says"),
    [(2.0, "high predictions are too high, and low ones too low"), (0.5, "high predictions are too low, and low ones")],
)
def test_predictions_that_are_too_far_apart_or_too_near_are_to_be_watched(spread: float, says: str) -> None:
    found = said(outcome(spread=spread), outcome(seed=4))
    assert found["calibration_error"][0] == "watch"
    assert found["calibration_error"][1].endswith("on its test rows: clearly worse.")
    assert found["The calibration slope"][0] == "watch"
    assert says in found["The calibration slope"][1]


def test_without_an_evaluation_nothing_is_compared() -> None:
    found = said(outcome())
    assert "calibration_error" not in found
    assert "test rows" not in found["The calibration slope"][1]


def test_what_is_no_probability_has_no_slope() -> None:
    chance = np.random.default_rng(1)
    p = chance.uniform(1.0, 9.0, 500)
    own = Outcome(chance.poisson(p).astype(np.float64), p, {}, "count", ())
    before = Outcome(chance.poisson(p).astype(np.float64), p, {}, "count", ())
    found = list(calibration(own, measured(own, RULES), measured(before, RULES)))
    assert [one.severity for one in found] == ["ok", "ok"]
    assert found[1].sentence.startswith("calibration_ratio is ")


@pytest.mark.parametrize(
    ("shift", "severity", "says"), [(0.0, "ok", ""), (0.1, "watch", "too high by 0."), (-0.1, "watch", "too low by 0.")]
)
def test_predictions_that_are_too_high_in_the_mean_are_to_be_watched(shift: float, severity: str, says: str) -> None:
    chance = np.random.default_rng(3)
    p = chance.uniform(0.2, 0.6, 4000)
    y = (chance.random(4000) < p).astype(np.float64)
    (found,) = in_the_mean(Outcome(y, p + shift, {}, "probability", ()))
    assert found.severity == severity
    assert says in found.sentence


def test_of_few_rows_and_of_classes_the_mean_says_nothing() -> None:
    assert list(in_the_mean(Outcome(np.zeros(29), np.ones(29), {}, "probability", ()))) == []
    assert list(in_the_mean(Outcome(np.zeros(99), np.ones((99, 2)) / 2, {}, "class", ("a", "b")))) == []


@pytest.mark.parametrize(("together", "wider"), [(0.0, False), (1.0, True)])
def test_rows_of_a_day_that_err_together_make_mean_and_slope_less_sure(together: float, wider: bool) -> None:
    chance = np.random.default_rng(5)
    days, logit = np.repeat(np.arange(60), 200), chance.normal(0.0, 1.0, 12_000)
    lift, steep = (together * chance.normal(0.0, 0.8, 60)[days] for _ in range(2))
    y = (chance.random(12_000) < 1.0 / (1.0 + np.exp(-(1.0 + steep) * logit - lift))).astype(np.float64)
    p = 1.0 / (1.0 + np.exp(-logit))
    errors = [standard_error(p - y, blocks) for blocks in (days, None)]
    lengths = [(found := slope(y, p, blocks))["high"] - found["low"] for blocks in (days, None)]
    for of_days, of_rows in (errors, lengths):
        assert (of_days > 2 * of_rows) == wider
        assert wider or of_days == pytest.approx(of_rows, rel=0.3)
