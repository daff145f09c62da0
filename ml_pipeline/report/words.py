"""What metrics, columns and moments are called on the page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from ml_pipeline.models.evaluation import SMALLER_IS_BETTER


class Meaning(NamedTuple):
    """A metric's name for people, and what it tells."""

    name: str
    tells: str


MEANINGS = {
    "roc_auc": Meaning("Area under the ROC curve", "the chance that a 1 is ranked above a 0; 0.5 is guessing"),
    "average_precision": Meaning("Average precision", "mean share of ones above a threshold, over all recalls"),
    "log_loss": Meaning("Log loss", "mean surprise, in nats"),
    "brier": Meaning("Brier score", "mean squared error of the probability"),
    "calibration_error": Meaning("Calibration error", "mean distance of predicted and observed rates, over ten bins"),
}


def meaning(metric: str) -> Meaning:
    """Of a metric, or its plain name where none is known."""
    return MEANINGS.get(metric, Meaning(spaced(metric), ""))


def better(metric: str) -> str:
    """Which way is better."""
    return "smaller" if metric in SMALLER_IS_BETTER else "larger"


def spaced(name: str) -> str:
    """A column's name as words.

    >>> spaced("recent_late_origin")
    'recent late origin'
    """
    return name.replace("_", " ")


def some(texts: Sequence[str], most: int) -> list[str]:
    """The first so many, and how many more there are.

    >>> some(["a", "b", "c"], 2), some(["a", "b"], 2)
    (['a', 'and 2 more'], ['a', 'b'])
    """
    return list(texts) if len(texts) <= most else [*texts[: most - 1], f"and {len(texts) - most + 1:,} more"]


def moment(text: str) -> str:
    """A moment to the minute.

    >>> moment("2013-06-01T04:00:00+00:00")
    '2013-06-01 04:00 UTC'
    """
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
