from __future__ import annotations

import numpy as np

from ml_pipeline.columns import Category
from ml_pipeline.config import Drift as Limits
from ml_pipeline.data.profile import Profile, merge
from ml_pipeline.monitoring.drift import drift
from ml_pipeline.monitoring.usual import LEAST, usual

LIMITS = Limits()


def day(seed: int, further: float = 0.0) -> Profile:
    """Rows that resemble one another: of a day that is warm or cold, as all of them are."""
    rng = np.random.default_rng(seed)
    return Profile.of({"warmth": rng.normal(rng.normal() + further, 0.3, 800), "size": rng.normal(size=800)})


DAYS = [day(seed) for seed in range(60)]
REFERENCE = merge(DAYS)


def test_days_that_differ_as_days_do_raise_nothing_and_those_that_differ_more_do() -> None:
    known = usual(REFERENCE, DAYS, 300)
    later = [day(seed) for seed in range(100, 140)]
    alarms = [drift(REFERENCE, own, LIMITS).severity == "act" for own in later]
    beside = [drift(REFERENCE, own, LIMITS, known).severity == "act" for own in later]
    assert sum(alarms) > 30
    assert sum(beside) < 6
    assert all(drift(REFERENCE, day(seed, 6.0), LIMITS, known).severity == "act" for seed in range(100, 140))


def test_what_days_do_not_do_is_found_as_soon_as_before() -> None:
    known = usual(REFERENCE, DAYS, 300)
    changed = Profile(800, {**day(200).columns, **Profile.of({"size": np.full(800, 2.0)}).columns})
    assert "act: " in drift(REFERENCE, changed, LIMITS, known).sentence
    assert known["size", "psi"] < 0.1 < 1.0 < known["warmth", "psi"]


def test_of_few_days_nothing_is_usual() -> None:
    assert usual(REFERENCE, DAYS[: LEAST - 1], 300) == {}
    assert usual(REFERENCE, DAYS, 801) == {}


def test_days_without_a_column_or_with_another_kind_are_left_out() -> None:
    other = [Profile.of({"warmth": Category.of(["a"] * 800)}) for _ in range(20)]
    assert usual(REFERENCE, other, 300) == {}
