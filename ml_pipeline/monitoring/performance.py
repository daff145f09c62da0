"""What predictions turned out to be worth: day by day, and beside what the test rows had promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Category, Column, Floats, Mask
from ml_pipeline.models.evaluation import CANDIDATE, JUDGES, UNKNOWN, Rules, Scored, measure
from ml_pipeline.models.metric import Metric, better, beyond, bound, interval, kept, known, shown
from ml_pipeline.models.metrics import Blocks
from ml_pipeline.monitoring.severity import Finding, Severity
from ml_pipeline.monitoring.truth import Days
from ml_pipeline.templates import Predicts

REPLICATES = 50
"""Resamplings behind the interval of one day."""
ENDS = {"": "value", "_low": "low", "_high": "high"}
TOO_FEW: Severity = "not enough data"


class Made(NamedTuple):
    """All predictions of one model: the day each is of, whether its truth is known, and what was predicted."""

    days: Days
    known: Mask
    p: Floats


class Maturity(NamedTuple):
    """Of fewer rows than `least` nothing is said; a day is `mature` once the truth of that share of it is known."""

    least: int
    mature: float

    def state(self, known: int, predicted: int) -> str:
        """What a day can tell."""
        if known < self.least:
            return TOO_FEW
        return "mature" if known >= self.mature * predicted else "immature"


class Outcome(NamedTuple):
    """Predictions whose truth is known: labels, predictions, columns to slice by and blocks, as in `Scored`."""

    y: Floats
    p: Floats
    slices: Mapping[str, Column]
    predicts: Predicts
    classes: tuple[str, ...]
    blocks: Blocks | None = None


def measured(outcome: Outcome, rules: Rules) -> dict[str, Any]:
    """Metrics with intervals, slices and means, as a candidate is measured.

    Raises:
        SchemaError: a label is none that can be judged.
        ConfigError: a floor is set for something that is no metric of such predictions.
    """
    predictions, rest = {CANDIDATE: outcome.p}, (outcome.slices, outcome.predicts, outcome.classes, outcome.blocks)
    return measure(Scored(outcome.y, predictions, *rest), rules)


def daily(made: Made, outcome: Outcome, maturity: Maturity, seed: int) -> Iterator[dict[str, Any]]:
    """A line for each day, as far as truth is known.

    Args:
        made: All predictions.
        outcome: Of those whose truth is known.
        maturity: What a day needs to tell anything.
        seed: Of the bootstrap.
    """
    of_known = made.days[made.known]
    for day in np.unique(made.days).tolist():
        rows, all_rows = np.flatnonzero(of_known == day), np.flatnonzero(made.days == day)
        state = maturity.state(len(rows), len(all_rows))
        line = {"day": day, "state": state, "predicted": len(all_rows), "known": len(rows)}
        means = {"mean_prediction": _mean(made.p[all_rows]), "mean_label": _mean(outcome.y[rows], outcome.classes)}
        yield line | means | (_unmeasured(outcome) if state == TOO_FEW else _of_day(outcome, rows, seed))


def table(lines: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """Lines of `daily` with the `model_version` that each is of, as columns."""
    found: dict[str, Column] = {"day": np.array([line["day"] for line in lines], "datetime64[us]")}
    found |= {name: Category.of([line[name] for line in lines]) for name in ("model_version", "state")}
    rest = [name for name in (lines[0] if lines else ()) if name not in found]
    return found | {name: np.array([line[name] for line in lines], np.float64) for name in rest}


def _mean(values: Floats, classes: Sequence[str] = ()) -> float:
    """NaN where there is none, or where it would say nothing: of places of classes, and of several columns."""
    return float(values.mean()) if len(values) and values.ndim == 1 and not classes else np.nan


def _of_day(outcome: Outcome, rows: npt.NDArray[np.intp], seed: int) -> dict[str, float]:
    own = outcome._replace(y=outcome.y[rows], p=outcome.p[rows], slices={}, blocks=None)
    found = measured(own, Rules({}, {}, REPLICATES, seed))["metrics"]
    return {f"{name}{end}": metric[part] for name, metric in found.items() for end, part in ENDS.items()}


def _unmeasured(outcome: Outcome) -> dict[str, float]:
    names = JUDGES[outcome.predicts].of(outcome.y[:0], outcome.p[:0]).metrics(np.zeros(0))
    return {f"{name}{end}": np.nan for name in names for end in ENDS}


def findings(now: Mapping[str, Any], then: Mapping[str, Any], floors: Mapping[str, float]) -> Iterator[Finding]:
    """What there is to say of a model: the metric that decides beside its test, then every floor.

    Args:
        now: `measured` of what has become true.
        then: Its metrics.yaml; empty where it was never evaluated.
        floors: As in `evaluate.floors`.
    """
    name, found = JUDGES[now["predicts"]].decides, now["metrics"]
    if not known(name, found):
        yield Finding(TOO_FEW, f"{name} {UNKNOWN}.")
    elif known(name, promised := then.get("metrics", {})):
        yield _beside(name, found[name], promised[name])
    for floor, value in floors.items():
        if known(floor, found):
            yield _floor(floor, found[floor], value)


def _beside(name: str, now: Metric, then: Metric) -> Finding:
    """Worse where the value lies beyond the interval of the test, clearly where the whole interval does.

    The intervals are of different rows, so they are compared as they are, and not their paired difference.
    """
    sign = 1.0 if better(name) == "larger" else -1.0
    told = f"{name} is {shown(now)} ({interval(now)}), and was {shown(then)} ({interval(then)}) on its test rows"
    worst_promised = min(sign * then["low"], sign * then["high"])
    best_now = max(sign * now["low"], sign * now["high"])
    if best_now < worst_promised:
        return Finding("act", f"{told}: clearly worse. Train again, or go back to the model before it.")
    if sign * now["value"] < worst_promised:
        return Finding("watch", f"{told}: perhaps worse.")
    return Finding("ok", f"{told}.")


def _floor(name: str, metric: Metric, floor: float) -> Finding:
    low, high = kept(name, floor)
    told = f"{name} is {shown(metric)} ({interval(metric)}), its floor is {bound(name, floor)}"
    if beyond(name, metric, floor):
        return Finding("act", f"{told}: clearly broken. Train again, or go back to the model before it.")
    return Finding("ok", f"{told}.") if low <= metric["value"] <= high else Finding("watch", f"{told}: broken.")
