"""What several champions served, as one series."""

from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.columns import Category
from ml_pipeline.models.evaluation import Rules
from ml_pipeline.monitoring.performance import Outcome, measured
from ml_pipeline.monitoring.served import Part, promised, served

DAYS = np.arange("2024-03-01", "2024-03-08", dtype="datetime64[D]")
RULES = Rules({}, {}, 200, 0)


def part(keys: list[int], days: list[int], y: list[float], p: list[float], classes: tuple[str, ...] = ()) -> Part:
    """Predictions of one model, made at the beginning of their day."""
    own = DAYS[days]
    slices = {"depot": Category.of(["north" if key % 2 else "south" for key in keys])}
    predicts = "class" if classes else "probability"
    outcome = Outcome(np.array(y), np.array(p), slices, predicts, classes)  # type: ignore[arg-type]
    return Part(np.array(keys, np.uint64), own.astype("datetime64[us]"), own, outcome)


def test_parts_follow_one_another_and_days_are_blocks() -> None:
    second = part([3, 4, 5, 6], [1, 2, 4, 6], [1.0] * 4, [0.6] * 4)
    found = served([part([1, 2], [0, 0], [1.0, 0.0], [0.9, 0.2]), second])
    assert found.y.tolist() == [1.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    assert found.p.tolist() == [0.9, 0.2, 0.6, 0.6, 0.6, 0.6]
    assert found.blocks is not None
    assert found.blocks.tolist() == [0, 0, 1, 2, 3, 4]
    assert [*found.slices["depot"].values()][:3] == ["north", "south", "north"]  # type: ignore[union-attr]
    assert served([second]).blocks is None, "of so few days nobody can tell how much they differ"


def test_what_two_served_as_of_one_moment_counts_once_and_as_of_two_moments_twice() -> None:
    newer, older = part([1], [0], [1.0], [0.9]), part([1, 1], [0, 1], [1.0, 1.0], [0.1, 0.2])
    assert served([newer, older]).p.tolist() == [0.9, 0.2]


def test_a_model_of_other_classes_is_left_out() -> None:
    first = part([1], [0], [0.0], [0.9], ("a", "b"))
    assert served([first, part([2], [1], [0.0], [0.9], ("a", "c"))]).y.tolist() == [0.0]


def test_days_that_differ_make_the_interval_wide() -> None:
    chance = np.random.default_rng(3)
    days = np.repeat(np.arange(7), 1000)
    y = (chance.random(7000) < np.linspace(0.1, 0.7, 7)[days]).astype(np.float64)
    p = np.full(7000, 0.4)
    alike = Outcome(y, p, {}, "probability", ())
    (own,) = (found["metrics"]["brier"] for found in [measured(alike, RULES)])
    together = served([Part(np.arange(7000).astype(np.uint64), DAYS[days].astype("datetime64[us]"), DAYS[days], alike)])
    of_days = measured(together, RULES)["metrics"]["brier"]
    assert of_days["value"] == pytest.approx(own["value"])
    assert of_days["high"] - of_days["low"] > 2 * (own["high"] - own["low"])


def test_what_was_promised_is_the_mean_by_rows() -> None:
    def metrics(value: float, **more: float) -> dict[str, object]:
        own = {"roc_auc": value, **more}
        return {"metrics": {name: {"value": one, "low": one - 0.1, "high": one + 0.1} for name, one in own.items()}}

    found = promised([metrics(0.8, brier=0.2), metrics(0.6)], [300, 100])["metrics"]
    assert [*found] == ["roc_auc"]
    assert found["roc_auc"] == pytest.approx({"value": 0.75, "low": 0.65, "high": 0.85})
    assert promised([metrics(0.8), {}], [1, 1]) == {"metrics": {}}
