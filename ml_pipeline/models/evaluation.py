"""What predictions on unseen rows are worth: metrics with intervals, slices, and a verdict with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Category, Column, Floats
from ml_pipeline.errors import ConfigError, SchemaError
from ml_pipeline.models import metrics

CANDIDATE, CHAMPION = "candidate", "champion"
SMALLER_IS_BETTER = ("log_loss", "brier", "calibration_error")
SMALL_SLICE = 200
"""Rows below which a slice is listed without a metric: it would say nothing."""
SLICE_REPLICATES = 50

Metric = dict[str, float]
"""`value`, and `low` and `high` of its 95 % interval."""


class Scored(NamedTuple):
    """Labels, predictions by role and the columns to slice by; all of one length."""

    y: Floats
    predictions: Mapping[str, Floats]
    slices: Mapping[str, Column]


class Rules(NamedTuple):
    """What must be reached, in all and in every slice (a floor is a ceiling where smaller is better), and how the
    bootstrap is drawn."""

    floors: Mapping[str, float]
    slice_floors: Mapping[str, float]
    replicates: int
    seed: int


def measure(scored: Scored, rules: Rules) -> dict[str, Any]:
    """Everything that is known of a candidate: plain values, ready to be stored.

    Raises:
        SchemaError: a label is neither 0 nor 1.
    """
    _check_labels(scored.y)
    draws = {
        role: metrics.replicates(scored.y, p, rules.seed, rules.replicates) for role, p in scored.predictions.items()
    }
    exact = {role: metrics.Ranking.of(scored.y, p).metrics(np.ones(len(p))) for role, p in scored.predictions.items()}
    found = {
        role: {name: _with_interval(value, draws[role][name]) for name, value in own.items()}
        for role, own in exact.items()
    }
    difference = _difference(exact, draws)
    slices = {name: _by_slice(scored, column, rules) for name, column in scored.slices.items()}
    return {
        "rows": len(scored.y),
        "positive_rate": float(scored.y.mean()),
        "metrics": found[CANDIDATE],
        "champion_metrics": found.get(CHAMPION, {}),
        "difference": difference,
        "slices": slices,
        "verdict": verdict(found[CANDIDATE], difference, slices, rules),
    }


def _check_labels(y: Floats) -> None:
    other = y[(y != 0.0) & (y != 1.0)]
    if len(other):
        raise SchemaError(
            "the gate judges probabilities of labels that are 0 or 1",
            given=f"{len(other)} of {len(y)} test rows with another label, such as {other[0]:g}",
            expected="0 or 1",
            do="make the label 0 or 1 in the preparation; counts, amounts and several classes are not judged yet",
        )


def verdict(
    found: Mapping[str, Metric], difference: Mapping[str, Metric], slices: Mapping[str, Any], rules: Rules
) -> dict[str, Any]:
    """`passed` and the `reasons`: every floor is kept, no slice is clearly below its own, and ranking is not clearly
    worse than the champion's.

    Raises:
        ConfigError: a floor is set for something that is no metric.
    """
    judged = [_floor(name, found, floor) for name, floor in rules.floors.items()]
    judged += [own for name, floor in rules.slice_floors.items() for own in _slice_floor(name, found, slices, floor)]
    judged.append(_comparison(difference["roc_auc"]) if difference else _alone())
    return {"passed": all(good for good, _ in judged), "reasons": [reason for _, reason in judged]}


def _floor(name: str, found: Mapping[str, Metric], floor: float) -> tuple[bool, str]:
    _check_metric(name, found)
    value = found[name]["value"]
    if np.isnan(value):
        return False, f"{name} cannot be measured on these rows, which are of one class; its floor is {floor:g}."
    smaller = name in SMALLER_IS_BETTER
    good = value <= floor if smaller else value >= floor
    side, way = ("within" if good else "outside"), ("most" if smaller else "least")
    return bool(good), f"{name} is {value:.4f}, {side} its floor of at {way} {floor:g}."


def _slice_floor(
    name: str, found: Mapping[str, Metric], slices: Mapping[str, Any], floor: float
) -> list[tuple[bool, str]]:
    """The slices whose whole interval lies beyond the floor; where there are none, how many kept it."""
    _check_metric(name, found)
    smaller = name in SMALLER_IS_BETTER
    known = {(column, word): own for column, words in slices.items() for word, own in words.items()}
    judged = {place: own[name] for place, own in known.items() if name in own and not np.isnan(own[name]["value"])}
    beyond = {place: own for place, own in judged.items() if (own["low"] > floor if smaller else own["high"] < floor)}
    way, small = ("most" if smaller else "least"), len(known) - len(judged)
    unjudged = f" {small} smaller ones are too few rows to judge." if small else ""
    if not beyond:
        kept = f"{name} of {len(judged)} slices is not clearly outside their floor of at {way} {floor:g}."
        return [(True, kept + unjudged)]
    return [
        (False, f"Where {column} is {word}, {name} is {_shown(own)}, outside its floor of at {way} {floor:g}.")
        for (column, word), own in beyond.items()
    ]


def _shown(metric: Metric) -> str:
    return f"{metric['value']:.4f} ({metric['low']:.4f} to {metric['high']:.4f})"


def _check_metric(name: str, found: Mapping[str, Metric]) -> None:
    if name not in found:
        what = "evaluate sets a floor for something that is no metric"
        raise ConfigError(what, given=name, expected=", ".join(found))


def _comparison(auc: Metric) -> tuple[bool, str]:
    """Not worse unless the whole interval of the paired difference lies below zero."""
    good = not auc["high"] < 0
    interval = f"95 % interval {auc['low']:+.4f} to {auc['high']:+.4f}"
    return good, f"Against the champion roc_auc differs by {auc['value']:+.4f} ({interval}): {'not ' * good}worse."


def _alone() -> tuple[bool, str]:
    return True, "There is no other champion to compare with, so the floors alone decide."


def _with_interval(value: float, draws: Floats) -> Metric:
    low, high = metrics.interval(draws)
    return {"value": value, "low": low, "high": high}


def _difference(
    exact: Mapping[str, Mapping[str, float]], draws: Mapping[str, Mapping[str, Floats]]
) -> dict[str, Metric]:
    """Candidate less champion, with the interval of the paired bootstrap; nothing without a champion."""
    if CHAMPION not in exact:
        return {}
    return {
        name: _with_interval(value - exact[CHAMPION][name], draws[CANDIDATE][name] - draws[CHAMPION][name])
        for name, value in exact[CANDIDATE].items()
    }


def _by_slice(scored: Scored, column: Column, rules: Rules) -> dict[str, dict[str, Any]]:
    words = column if isinstance(column, Category) else Category.of([f"{value:g}" for value in np.asarray(column)])
    rows = {word: np.flatnonzero(words.codes == code) for code, word in enumerate(words.vocabulary)}
    return {word: _slice(scored, own, rules) for word, own in sorted(rows.items()) if len(own)}


def _slice(scored: Scored, rows: npt.NDArray[np.intp], rules: Rules) -> dict[str, Any]:
    y, p = scored.y[rows], scored.predictions[CANDIDATE][rows]
    found = {"rows": len(rows), "positive_rate": float(y.mean()), "mean_prediction": float(p.mean())}
    if len(rows) < SMALL_SLICE:
        return found | {"note": f"fewer than {SMALL_SLICE} rows: too few to judge"}
    draws = metrics.replicates(y, p, rules.seed, SLICE_REPLICATES)
    exact = metrics.Ranking.of(y, p).metrics(np.ones(len(p)))
    return found | {name: _with_interval(value, draws[name]) for name, value in exact.items()}
