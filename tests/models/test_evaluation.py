"""A verdict on predictions of every kind, and its reasons."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.columns import Category
from ml_pipeline.config_rules import METRICS
from ml_pipeline.errors import ConfigError, SchemaError
from ml_pipeline.models.evaluation import JUDGES, SMALL_SLICE, Rules, Scored, check_floor, measure
from ml_pipeline.models.metric import better
from ml_pipeline.templates import Predicts
from tests.report.samples import ROWS, scored_as

KINDS: list[Predicts] = ["probability", "number", "count", "class"]
NONE = Rules({}, {}, 50, 0)


def reasons(scored: Scored, **rules: Any) -> list[str]:
    return list(measure(scored, NONE._replace(**rules))["verdict"]["reasons"])


def swapped(scored: Scored) -> Scored:
    """The champion as candidate."""
    p = scored.predictions
    return scored._replace(predictions={"candidate": p["champion"], "champion": p["candidate"]})


class TestEveryKind:
    @pytest.mark.parametrize("predicts", KINDS)
    def test_metrics_are_those_of_its_judge_each_within_its_interval(self, predicts: Predicts) -> None:
        scored = scored_as(predicts)
        found = measure(scored, NONE)
        for role, part in (("candidate", "metrics"), ("champion", "champion_metrics")):
            exact = JUDGES[predicts].of(scored.y, scored.predictions[role]).metrics(np.ones(ROWS))
            assert {name: own["value"] for name, own in found[part].items()} == exact
        assert tuple(found["metrics"]) == METRICS[predicts]
        assert all(own["low"] <= own["value"] <= own["high"] for own in found["metrics"].values())
        assert (found["predicts"], found["rows"]) == (predicts, ROWS)

    @pytest.mark.parametrize("predicts", KINDS)
    def test_the_better_one_passes_and_the_worse_one_does_not(self, predicts: Predicts) -> None:
        scored, decides = scored_as(predicts), JUDGES[predicts].decides
        (good,) = reasons(scored)
        assert good.startswith(f"Against the champion {decides} differs by {'+' if predicts == 'probability' else '-'}")
        assert good.endswith(": not worse.")
        assert measure(swapped(scored), NONE)["verdict"]["passed"] is False
        assert reasons(swapped(scored))[0].endswith("): worse.")

    @pytest.mark.parametrize("predicts", KINDS)
    def test_one_that_is_the_same_is_not_worse(self, predicts: Predicts) -> None:
        scored = scored_as(predicts)
        p = scored.predictions["candidate"]
        found = measure(scored._replace(predictions={"candidate": p, "champion": p}), NONE)
        assert found["verdict"]["passed"]
        assert {own["value"] for own in found["difference"].values()} == {0.0}

    @pytest.mark.parametrize("predicts", KINDS)
    def test_a_floor_can_be_set_for_every_metric_and_is_kept_or_broken(self, predicts: Predicts) -> None:
        scored = scored_as(predicts)
        for name in METRICS[predicts]:
            far = {"larger": (-1e9, 1e9)}.get(better(name), (1e9, -1e9))
            kept, broken = (measure(scored, NONE._replace(floors={name: floor}))["verdict"] for floor in far)
            assert kept["passed"]
            assert f", within its floor of {'at least -1e+09' if far[0] < 0 else 'at most 1e+09'}" in kept["reasons"][0]
            assert not broken["passed"]
            assert ", outside its floor of " in broken["reasons"][0]

    @pytest.mark.parametrize("predicts", KINDS)
    def test_slices_part_the_rows_and_small_ones_have_no_metric(self, predicts: Predicts) -> None:
        found = measure(scored_as(predicts), NONE)["slices"]["depot"]
        assert sum(own["rows"] for own in found.values()) == ROWS
        for own in found.values():
            assert (JUDGES[predicts].decides in own) == (own["rows"] >= SMALL_SLICE) == ("note" not in own)

    @pytest.mark.parametrize("predicts", KINDS)
    def test_a_slice_that_is_clearly_beyond_its_floor_rejects(self, predicts: Predicts) -> None:
        scored, decides = scored_as(predicts), JUDGES[predicts].decides
        north = np.asarray(getattr(scored.slices["depot"], "codes")) == 0  # noqa: B009
        p = scored.predictions["candidate"].copy()
        p[north] = p[north][::-1]
        spoilt = scored._replace(predictions={"candidate": p})
        floor = measure(spoilt, NONE)["metrics"][decides]["value"]
        told = [each for each in reasons(spoilt, slice_floors={decides: floor}) if each.startswith("Where ")]
        assert len(told) == 1
        assert told[0].startswith(f"Where depot is north, {decides} is ")

    @pytest.mark.parametrize("predicts", KINDS)
    def test_what_is_found_can_be_stored_as_it_is(self, predicts: Predicts) -> None:
        found = measure(scored_as(predicts), NONE)
        assert plain_yaml.load(plain_yaml.dump(found)) == found

    @pytest.mark.parametrize("predicts", KINDS)
    def test_a_floor_for_a_metric_of_another_kind_is_refused(self, predicts: Predicts) -> None:
        other = next(name for names in METRICS.values() for name in names if name not in METRICS[predicts])
        for rules in ({"floors": {other: 1.0}}, {"slice_floors": {other: 1.0}}):
            with pytest.raises(ConfigError, match=f"Given: {other}. Expected: {', '.join(METRICS[predicts])}"):
                measure(scored_as(predicts), NONE._replace(**rules))
        check_floor(METRICS[predicts][0], METRICS[predicts])


class TestTargets:
    """Of bias and calibration ratio neither the larger nor the smaller is better."""

    def test_a_floor_is_the_largest_distance(self) -> None:
        y = np.array([1.0, 3.0] * 50)
        for bias, side in ((0.25, "within"), (-0.25, "within"), (0.75, "outside"), (-0.75, "outside")):
            (reason, _) = reasons(Scored(y, {"candidate": y + bias}, {}, "number"), floors={"bias": 0.5})
            assert reason == f"bias is {bias:.4f}, {side} its floor of at most 0.5 from 0."
        for ratio, side in ((0.75, "outside"), (1.0625, "within"), (1.25, "outside")):
            scored = Scored(y, {"candidate": y * ratio}, {}, "count")
            (reason, _) = reasons(scored, floors={"calibration_ratio": 0.125})
            assert reason == f"calibration_ratio is {ratio:.4f}, {side} its floor of at most 0.125 from 1."

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_distances_are_compared(self, sign: float) -> None:
        y = np.random.default_rng(0).normal(size=300)
        predictions = {"candidate": y + sign * 0.25, "champion": y - sign * 2.0}
        own = measure(Scored(y, predictions, {}, "number"), NONE)["difference"]["bias"]
        assert own == pytest.approx({"value": -1.75, "low": -1.75, "high": -1.75})


class TestWhatCannotBeMeasured:
    @pytest.mark.parametrize(
        ("predicts", "label", "metric"),
        [("probability", 1.0, "roc_auc"), ("number", 5.0, "r2"), ("count", 0.0, "calibration_ratio"),
         ("class", 1.0, "macro_roc_auc")],
    )  # fmt: skip
    def test_labels_that_are_all_the_same(self, predicts: Predicts, label: float, metric: str) -> None:
        scored = scored_as(predicts)._replace(y=np.full(ROWS, label))
        found = measure(scored, NONE._replace(floors={metric: 0.5}))
        assert math.isnan(found["metrics"][metric]["value"])
        assert found["verdict"]["passed"] is False
        told = f"{metric} cannot be measured on these rows, whose labels are all the same; its floor is at "
        assert found["verdict"]["reasons"][0].startswith(told)

    def test_without_the_metric_that_decides_the_champion_is_not_compared(self) -> None:
        scored = scored_as("probability")._replace(y=np.ones(ROWS))
        assert reasons(scored)[0].endswith("so candidate and champion are not compared.")

    @pytest.mark.parametrize("predicts", KINDS)
    def test_no_rows(self, predicts: Predicts) -> None:
        width = (0, 3) if predicts == "class" else (0,)
        scored = Scored(np.zeros(0), {"candidate": np.zeros(width)}, {"c": Category.of([])}, predicts)
        found = measure(scored, NONE)
        assert (found["rows"], found["slices"]) == (0, {"c": {}})
        assert all(math.isnan(own["value"]) for own in found["metrics"].values())


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("predicts", "labels", "words"),
        [
            ("probability", [0.0, 1.0, 7.0], "1 of 3 test rows with another label, such as 7. Expected: 0 or 1"),
            ("probability", [0.0, math.nan, 1.0], "1 of 3 test rows with another label, such as nan"),
            ("number", [0.0, math.inf, math.nan], "2 of 3 test rows with another label, such as inf"),
            ("count", [0.0, -2.0, 1.0], "such as -2. Expected: a count of 0 or more"),
            ("class", [0.0, 1.0, 3.0], "such as 3. Expected: letter, parcel, pallet"),
            ("class", [0.0, 1.0, 0.5], "such as 0.5. Expected: letter, parcel, pallet"),
        ],
    )
    def test_a_label_that_cannot_be_judged(self, predicts: Predicts, labels: list[float], words: str) -> None:
        scored = scored_as(predicts)
        p = scored.predictions["candidate"][:3]
        with pytest.raises(SchemaError, match=words) as caught:
            measure(scored._replace(y=np.array(labels), predictions={"candidate": p}, slices={}), NONE)
        assert f"judges a predicted {predicts} by labels that are " in str(caught.value)

    @pytest.mark.parametrize("predicts", KINDS)
    def test_a_prediction_that_is_no_number(self, predicts: Predicts) -> None:
        scored = scored_as(predicts)
        p = scored.predictions["candidate"].copy()
        p[3:5] = np.nan
        with pytest.raises(SchemaError, match=f"predicts what is no finite number. Given: 2 of {ROWS} test rows"):
            measure(scored._replace(predictions={"candidate": p}), NONE)
