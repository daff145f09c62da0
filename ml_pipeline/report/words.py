"""What metrics, columns and moments are called on the page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ml_pipeline.report.numbers import number, percent

SHARES = 6
"""Classes whose shares are named, the most frequent ones."""


class Meaning(NamedTuple):
    """A metric's name for people, and what it tells."""

    name: str
    tells: str


MEANINGS = {
    "roc_auc": Meaning("Area under the ROC curve", "the chance that a 1 is ranked above a 0; 0.5 is guessing"),
    "average_precision": Meaning("Average precision", "mean share of ones above a threshold, over all recalls"),
    "log_loss": Meaning("Log loss", "mean surprise, in nats"),
    "brier": Meaning("Brier score", "mean squared error of the probability; of several classes, the sum of theirs"),
    "calibration_error": Meaning("Calibration error", "mean distance of predicted and observed rates, over ten bins"),
    "rmse": Meaning("Root mean squared error", "typical error in the unit of the label; large ones weigh most"),
    "mae": Meaning("Mean absolute error", "mean distance of prediction and label, in the unit of the label"),
    "r2": Meaning("R²", "share of the labels' variance that is explained; 0 is predicting their mean"),
    "bias": Meaning("Bias", "mean of prediction less label; above 0 predictions are too high"),
    "deviance": Meaning("Poisson deviance", "mean distance of counts from their predictions; 0 is exact"),
    "calibration_ratio": Meaning("Calibration ratio", "all that was predicted by all that was counted"),
    "accuracy": Meaning("Accuracy", "share of rows whose most probable class is the true one"),
    "balanced_accuracy": Meaning("Balanced accuracy", "share of a class's rows that are told right, mean over classes"),
    "macro_roc_auc": Meaning(
        "Area under the ROC curves",
        "the chance that a row of a class is ranked above one of another, mean over classes",
    ),
}


def meaning(metric: str) -> Meaning:
    """Of a metric, or its plain name where none is known."""
    return MEANINGS.get(metric, Meaning(spaced(metric), ""))


def typical(found: Mapping[str, Any], classes: Sequence[str]) -> str:
    r"""What labels are in the rows, nothing where it is not known.

    >>> typical({"mean_label": 12.5}, ()), typical({"shares": [0.25, 0.75]}, ("a", "b"))
    ('12.5 in the mean', 'b in 75.0\xa0%, a in 25.0\xa0%')
    """
    if "positive_rate" in found:
        return f"1 in {percent(found['positive_rate'])}"
    if "mean_label" in found:
        return f"{number(found['mean_label'])} in the mean"
    shares = sorted(zip(found.get("shares", ()), classes, strict=False), key=lambda each: -each[0])
    return ", ".join(some([f"{name} in {percent(share)}" for share, name in shares], SHARES))


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
