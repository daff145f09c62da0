"""What champions served, as one series: of a model that is retrained every night no more than a day comes true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Category, concat, take
from ml_pipeline.models.calibration_slope import SLOPE
from ml_pipeline.models.metric import Metric, known
from ml_pipeline.models.metrics import Blocks
from ml_pipeline.monitoring.performance import Outcome
from ml_pipeline.monitoring.truth import Days

ENOUGH = 5
"""Days from which on it can be told how much they differ."""
ENDS = ("value", "low", "high")
Asked = npt.NDArray[np.int64]


class Part(NamedTuple):
    """What one model predicted. `asked` are the key and the moment of each prediction, shape (2, predictions); the rest
    is of those that have come true or not: their places in it, days and outcome."""

    asked: Asked
    places: npt.NDArray[np.intp]
    days: Days
    outcome: Outcome


class Served(NamedTuple):
    """What several models served: how much they were asked, what came true of it, and how many rows of each part."""

    predicted: int
    outcome: Outcome
    rows: list[int]


def blocks(days: Days) -> Blocks | None:
    """Rows of one day are no independent ones: each day is a block, where there are `ENOUGH`; else nothing is known."""
    found, of_day = np.unique(days, return_inverse=True)
    return of_day if len(found) >= ENOUGH else None


def served(parts: Sequence[Part]) -> Served:
    """All parts of the classes that the first has; of a key that several predicted as of one moment that of the last.

    Args:
        parts: Of the champions, the last first: who was champion earlier gave the answer that counted.
    """
    first = parts[0].outcome
    counted = [own.outcome.classes == first.classes for own in parts]
    alike = [own for own, counts in zip(parts, counted, strict=True) if counts][::-1]
    common = [name for name in first.slices if all(isinstance(own.outcome.slices.get(name), Category) for own in alike)]
    slices = concat([{name: own.outcome.slices[name] for name in common} for own in alike])
    asked = np.concatenate([own.asked[:, own.places] for own in alike], axis=1)
    rows = np.sort(np.unique(asked, axis=1, return_index=True)[1])
    of_part = np.repeat(np.arange(len(alike)), [len(own.places) for own in alike])[rows]
    each = iter(np.bincount(of_part, minlength=len(alike)).tolist()[::-1])
    y, p = (np.concatenate(own)[rows] for own in zip(*((own.outcome.y, own.outcome.p) for own in alike), strict=True))
    days = np.concatenate([own.days for own in alike])[rows]
    return Served(
        np.unique(np.concatenate([own.asked for own in alike], axis=1), axis=1).shape[1],
        first._replace(y=y, p=p, slices=take(slices, rows), blocks=blocks(days)),
        [next(each) if counts else 0 for counts in counted],
    )


def promised(then: Sequence[Mapping[str, Any]], rows: Sequence[int]) -> dict[str, Any]:
    """What the test rows of several models had promised, in the mean: of each metric over the models that know it.

    Args:
        then: The metrics.yaml of each.
        rows: How many rows each has served.
    """
    weighted = [(own, count) for own, count in zip(then, rows, strict=True) if count]
    metrics = [(own.get("metrics", {}), count) for own, count in weighted]
    names = dict.fromkeys(name for own, _ in metrics for name in own)
    found = {name: mean for name in names if (mean := _mean(name, metrics))}
    slope = _mean(SLOPE, [({SLOPE: own[SLOPE]} if SLOPE in own else {}, count) for own, count in weighted])
    return {"metrics": found, **({SLOPE: slope} if slope else {})}


def _mean(name: str, weighted: Sequence[tuple[Mapping[str, Metric], int]]) -> dict[str, float]:
    """Over the models that know it; empty where they served less than half of the rows."""
    own = [(found[name], count) for found, count in weighted if known(name, found)]
    counts = [count for _, count in own]
    if 2 * sum(counts) < sum(count for _, count in weighted) or not own:
        return {}
    return {end: float(np.average([one[end] for one, _ in own], weights=counts)) for end in ENDS}
