"""What predictions on unseen rows are worth: metrics with intervals, slices, and a verdict with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Category, Column, Floats
from ml_pipeline.errors import ConfigError, SchemaError
from ml_pipeline.models import metrics
from ml_pipeline.models.choices import Choices
from ml_pipeline.models.counts import Counts
from ml_pipeline.models.judge import Judge
from ml_pipeline.models.metric import Metric, beyond, bound, compared, distance, interval, kept, known, shown
from ml_pipeline.models.metrics import Blocks, Bootstrap, Ranking
from ml_pipeline.models.residuals import Residuals
from ml_pipeline.templates import Predicts

CANDIDATE, CHAMPION = "candidate", "champion"
JUDGES: Mapping[Predicts, type[Judge]] = {
    "probability": Ranking,
    "number": Residuals,
    "count": Counts,
    "class": Choices,
}
"""By what an estimator `predicts`."""
SMALL_SLICE = 200
"""Rows below which a slice is listed without a metric: it would say nothing."""
SLICE_REPLICATES = 50
UNKNOWN = "cannot be measured on these rows, whose labels are all the same"


class Scored(NamedTuple):
    """Labels, predictions by role and the columns to slice by; all of one length, and so are `blocks`: rows with the
    same number, from 0, are no independent ones.

    Predictions of several `classes`, which are given by name, have shape (rows, classes); labels are their places then.
    """

    y: Floats
    predictions: Mapping[str, Floats]
    slices: Mapping[str, Column]
    predicts: Predicts = "probability"
    classes: tuple[str, ...] = ()
    blocks: Blocks | None = None


class Rules(NamedTuple):
    """What must be reached, in all and in every slice (a floor is a ceiling where smaller is better, and the largest
    distance where a metric has a target), and how the bootstrap is drawn."""

    floors: Mapping[str, float]
    slice_floors: Mapping[str, float]
    replicates: int
    seed: int


def measure(scored: Scored, rules: Rules) -> dict[str, Any]:
    """Everything that is known of a candidate: plain values, ready to be stored.

    Raises:
        SchemaError: a label is none that can be judged, or a prediction no number.
        ConfigError: a floor is set for something that is no metric of such predictions.
    """
    judge, y = JUDGES[scored.predicts], scored.y
    _check_labels(scored, judge)
    bootstrap = Bootstrap(rules.seed, rules.replicates, scored.blocks)
    draws = {role: metrics.replicates(y, p, bootstrap, judge) for role, p in scored.predictions.items()}
    exact = {role: judge.of(y, p).metrics(np.ones(len(y))) for role, p in scored.predictions.items()}
    found = {
        role: {name: _with_interval(value, draws[role][name]) for name, value in own.items()}
        for role, own in exact.items()
    }
    difference = _difference(exact, draws)
    slices = {name: _by_slice(scored, column, rules) for name, column in scored.slices.items()}
    return {
        "predicts": scored.predicts,
        **({"classes": list(scored.classes)} if scored.classes else {}),
        "rows": len(y),
        **(judge.described(y, scored.predictions[CANDIDATE]) if len(y) else {}),
        "metrics": found[CANDIDATE],
        "champion_metrics": found.get(CHAMPION, {}),
        "difference": difference,
        "slices": slices,
        "verdict": verdict(found[CANDIDATE], difference, slices, rules, judge.decides),
    }


def _check_labels(scored: Scored, judge: type[Judge]) -> None:
    y, p = scored.y, scored.predictions[CANDIDATE]
    if len(other := y[~judge.judges(y, p)]):
        raise SchemaError(
            f"the gate judges a predicted {scored.predicts} by labels that are {judge.labels}",
            given=f"{len(other)} of {len(y)} test rows with another label, such as {other[0]:g}",
            expected=", ".join(scored.classes) or judge.labels,
            do="correct how the preparation makes the label, or use an estimator for labels of this kind",
        )
    if bad := np.count_nonzero(~np.isfinite(p).all(axis=tuple(range(1, p.ndim)))):
        raise SchemaError(
            "the candidate predicts what is no finite number",
            given=f"{bad} of {len(y)} test rows",
            expected="a finite number for every row",
            do="look for infinite values among the columns, and impute missing ones",
        )


def verdict(
    found: Mapping[str, Metric],
    difference: Mapping[str, Metric],
    slices: Mapping[str, Any],
    rules: Rules,
    decides: str,
) -> dict[str, Any]:
    """`passed` and the `reasons`: every floor is kept, no slice is clearly below its own, and by the metric that
    decides, the candidate is not clearly worse than the champion.

    Raises:
        ConfigError: a floor is set for something that is no metric.
    """
    for name in (*rules.floors, *rules.slice_floors):
        check_floor(name, found)
    judged = [_floor(name, found[name], floor) for name, floor in rules.floors.items()]
    judged += [own for name, floor in rules.slice_floors.items() for own in _slice_floor(name, slices, floor)]
    judged.append(_comparison(decides, difference[decides], found[decides]) if difference else _alone())
    return {"passed": all(good for good, _ in judged), "reasons": [reason for _, reason in judged]}


def check_floor(name: str, among: Mapping[str, Any] | tuple[str, ...]) -> None:
    """Whether a floor is set for one of the metrics.

    Raises:
        ConfigError: it is not.
    """
    if name not in among:
        what = "evaluate sets a floor for something that is no metric of this model's predictions"
        raise ConfigError(what, given=name, expected=", ".join(among), do="set the floor for one of these")


def _floor(name: str, metric: Metric, floor: float) -> tuple[bool, str]:
    value = metric["value"]
    if np.isnan(value):
        return False, f"{name} {UNKNOWN}; its floor is {bound(name, floor)}."
    low, high = kept(name, floor)
    good = low <= value <= high
    side = "within" if good else "outside"
    return good, f"{name} is {shown(metric)}, {side} its floor of {bound(name, floor)}."


def _slice_floor(name: str, slices: Mapping[str, Any], floor: float) -> list[tuple[bool, str]]:
    """The slices whose whole interval lies beyond the floor; where there are none, how many kept it."""
    found = {(column, word): own for column, words in slices.items() for word, own in words.items()}
    judged = {place: own[name] for place, own in found.items() if known(name, own)}
    outside = {place: own for place, own in judged.items() if beyond(name, own, floor)}
    small, limit = len(found) - len(judged), bound(name, floor)
    unjudged = f" {small} smaller ones are too few rows to judge." if small else ""
    if not outside:
        return [(True, f"{name} of {len(judged)} slices is not clearly outside their floor of {limit}.{unjudged}")]
    return [
        (False, f"Where {column} is {word}, {name} is {shown(own)} ({interval(own)}), outside its floor of {limit}.")
        for (column, word), own in outside.items()
    ]


def _comparison(name: str, difference: Metric, own: Metric) -> tuple[bool, str]:
    """Not worse unless the whole interval of the paired difference says so."""
    if np.isnan(difference["value"]):
        return True, f"{name} {UNKNOWN}, so candidate and champion are not compared."
    good = compared(name, difference) != "worse"
    told = f"{shown(difference, own, sign=True)} (95 % interval {interval(difference, own, sign=True)})"
    return good, f"Against the champion {name} differs by {told}: {'not ' * good}worse."


def _alone() -> tuple[bool, str]:
    return True, "There is no other champion to compare with, so the floors alone decide."


def _with_interval(value: float, draws: Floats) -> dict[str, float]:
    low, high = metrics.interval(draws)
    return {"value": value, "low": low, "high": high}


def _difference(
    exact: Mapping[str, Mapping[str, float]], draws: Mapping[str, Mapping[str, Floats]]
) -> dict[str, Metric]:
    """Candidate less champion, of a metric with a target in their distances from it, with the interval of the paired
    bootstrap; nothing without a champion."""
    if CHAMPION not in exact:
        return {}

    def less(name: str, found: Mapping[str, Mapping[str, Any]]) -> Floats:
        own, other = (distance(name, np.asarray(found[role][name])) for role in (CANDIDATE, CHAMPION))
        return own - other

    return {name: _with_interval(float(less(name, exact)), less(name, draws)) for name in exact[CANDIDATE]}


def _by_slice(scored: Scored, column: Column, rules: Rules) -> dict[str, dict[str, Any]]:
    words = column if isinstance(column, Category) else Category.of([f"{value:g}" for value in np.asarray(column)])
    rows = {word: np.flatnonzero(words.codes == code) for code, word in enumerate(words.vocabulary)}
    return {word: _slice(scored, own, rules) for word, own in sorted(rows.items()) if len(own)}


def _slice(scored: Scored, rows: npt.NDArray[np.intp], rules: Rules) -> dict[str, Any]:
    judge, y, p = JUDGES[scored.predicts], scored.y[rows], scored.predictions[CANDIDATE][rows]
    found = {"rows": len(rows), **judge.described(y, p)}
    if len(rows) < SMALL_SLICE:
        return found | {"note": f"fewer than {SMALL_SLICE} rows: too few to judge"}
    blocks = None if scored.blocks is None else scored.blocks[rows]
    draws = metrics.replicates(y, p, Bootstrap(rules.seed, SLICE_REPLICATES, blocks), judge)
    exact = judge.of(y, p).metrics(np.ones(len(y)))
    return found | {name: _with_interval(value, draws[name]) for name, value in exact.items()}
