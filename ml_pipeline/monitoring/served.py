"""What champions served, as one series: of a model that is retrained every night no more than a day comes true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Category, concat, take
from ml_pipeline.data.string_hash import Hashes
from ml_pipeline.monitoring.performance import Outcome
from ml_pipeline.monitoring.truth import Days

ENOUGH = 5
"""Days from which on it can be told how much they differ."""
ENDS = ("value", "low", "high")


class Part(NamedTuple):
    """What one model predicted and has come true or not: keys and moments, which tell predictions apart, and days."""

    keys: Hashes
    moments: npt.NDArray[np.datetime64]
    days: Days
    outcome: Outcome


def served(parts: Sequence[Part]) -> Outcome:
    """All parts of the classes that the first has; of a key that several predicted as of one moment that of the first.

    Rows of one day are no independent ones: each day is a block, where there are `ENOUGH`.
    """
    first = parts[0].outcome
    alike = [own for own in parts if own.outcome.classes == first.classes]
    common = [name for name in first.slices if all(isinstance(own.outcome.slices.get(name), Category) for own in alike)]
    slices = concat([{name: own.outcome.slices[name] for name in common} for own in alike])
    keys = np.concatenate([own.keys for own in alike]).view(np.int64)
    moments = np.concatenate([own.moments for own in alike]).astype("datetime64[us]").view(np.int64)
    rows = np.sort(np.unique(np.stack([keys, moments]), axis=1, return_index=True)[1])
    days, of_day = np.unique(np.concatenate([own.days for own in alike])[rows], return_inverse=True)
    y, p = (np.concatenate(own)[rows] for own in zip(*((own.outcome.y, own.outcome.p) for own in alike), strict=True))
    return first._replace(y=y, p=p, slices=take(slices, rows), blocks=of_day if len(days) >= ENOUGH else None)


def promised(then: Sequence[Mapping[str, Any]], rows: Sequence[int]) -> dict[str, Any]:
    """What the test rows of several models had promised, in the mean; of metrics that all of them have.

    Args:
        then: The metrics.yaml of each.
        rows: How many rows each has served.
    """
    own = [one.get("metrics", {}) for one in then]
    names = [name for name in own[0] if all(name in one for one in own)]

    def mean(name: str, end: str) -> float:
        return float(np.average([one[name][end] for one in own], weights=rows))

    return {"metrics": {name: {end: mean(name, end) for end in ENDS} for name in names}}
