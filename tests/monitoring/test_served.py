"""What several champions served, as one series."""

from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.columns import Category
from ml_pipeline.models.evaluation import Rules
from ml_pipeline.monitoring.performance import Outcome, measured
from ml_pipeline.monitoring.served import Part, blocks, promised, served

DAYS = np.arange("2024-03-01", "2024-03-08", dtype="datetime64[D]")
RULES = Rules({}, {}, 200, 0)


def part(keys: list[int], days: list[int], y: list[float], p: list[float], classes: tuple[str, ...] = ()) -> Part:
    """Predictions of one model, made at the beginning of their day."""
    own = DAYS[days]
    slices = {"depot": Category.of(["north" if key % 2 else "south" for key in keys])}
    predicts = "class" if classes else "probability"
    outcome = Outcome(np.array(y), np.array(p), slices, predicts, classes)  # type: ignore[arg-type]
    asked = np.stack([np.array(keys, np.int64), own.astype("datetime64[us]").view(np.int64)])
    return Part(asked, np.arange(len(keys)), own, outcome)


def test_parts_follow_one_another_and_days_are_blocks() -> None:
    second = part([3, 4, 5, 6], [1, 2, 4, 6], [1.0] * 4, [0.6] * 4)
    together = served([second, part([1, 2], [0, 0], [1.0, 0.0], [0.9, 0.2])])
    assert (together.predicted, together.rows) == (6, [4, 2])
    found = together.outcome
    assert found.y.tolist() == [1.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    assert found.p.tolist() == [0.9, 0.2, 0.6, 0.6, 0.6, 0.6]
    assert found.blocks is not None
    assert found.blocks.tolist() == [0, 0, 1, 2, 3, 4]
    assert [*found.slices["depot"].values()][:3] == ["north", "south", "north"]  # type: ignore[union-attr]
    assert blocks(second.days) is None, "of so few days nobody can tell how much they differ"


def test_what_two_predicted_as_of_one_moment_counts_for_who_was_champion_then() -> None:
    newer, older = part([1, 2], [0, 0], [1.0, 1.0], [0.9, 0.8]), part([1, 1], [0, 1], [1.0, 1.0], [0.1, 0.2])
    found = served([newer, older])
    assert found.outcome.p.tolist() == [0.1, 0.2, 0.8]
    assert (found.predicted, found.rows) == (3, [1, 2])


def test_what_has_not_come_true_counts_as_predicted() -> None:
    known = part([1, 2], [0, 0], [1.0, 1.0], [0.9, 0.8])
    waits = known._replace(asked=np.append(known.asked, [[3], [0]], axis=1))
    assert served([known, waits]).predicted == 3
    assert served([known, waits]).rows == [0, 2]


def test_a_model_of_other_classes_is_left_out() -> None:
    first = part([1], [0], [0.0], [0.9], ("a", "b"))
    found = served([first, part([2], [1], [0.0], [0.9], ("a", "c"))])
    assert (found.outcome.y.tolist(), found.rows, found.predicted) == ([0.0], [1, 0], 1)


def test_days_that_differ_make_the_interval_wide() -> None:
    chance = np.random.default_rng(3)
    days = np.repeat(np.arange(7), 1000)
    y = (chance.random(7000) < np.linspace(0.1, 0.7, 7)[days]).astype(np.float64)
    p = np.full(7000, 0.4)
    alike = Outcome(y, p, {}, "probability", ())
    (own,) = (found["metrics"]["brier"] for found in [measured(alike, RULES)])
    of_days = measured(alike._replace(blocks=blocks(DAYS[days])), RULES)["metrics"]["brier"]
    assert of_days["value"] == pytest.approx(own["value"])
    assert of_days["high"] - of_days["low"] > 2 * (own["high"] - own["low"])


def test_what_was_promised_is_the_mean_by_rows_of_the_models_that_know_it() -> None:
    def metrics(value: float, **more: float) -> dict[str, object]:
        own = {"roc_auc": value, **more}
        told = {name: {"value": one, "low": one - 0.1, "high": one + 0.1} for name, one in own.items()}
        return {"metrics": told, "calibration_slope": told["roc_auc"]}

    found = promised([metrics(0.8, brier=0.2), metrics(0.6), metrics(0.1)], [300, 100, 0])
    assert found["metrics"]["roc_auc"] == pytest.approx({"value": 0.75, "low": 0.65, "high": 0.85})
    assert found["metrics"]["brier"]["value"] == 0.2
    assert found["calibration_slope"]["value"] == pytest.approx(0.75)
    assert promised([metrics(0.8), metrics(np.nan), {}], [2, 1, 1])["metrics"]["roc_auc"]["value"] == 0.8
    assert promised([metrics(0.8), metrics(np.nan), {}], [1, 1, 1]) == {"metrics": {}}
