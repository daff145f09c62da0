"""What a plot of a model's quality shows: curves of thresholds, calibration and the spread of its predictions.

Everything is plain lists, ready to be stored. Labels y and predictions p have shape (rows,), predictions of several
classes shape (rows, classes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Floats
from ml_pipeline.models.evaluation import Scored
from ml_pipeline.models.metrics import BINS
from ml_pipeline.models.thresholds import Thresholds

POINTS = 120
"""Most points of a curve."""
BARS = 30
"""Bars of a histogram, all equally wide."""
TAILS = (0.01, 0.99)
"""Quantiles of the residuals between which their bars stand; the first and the last one hold the rest."""
NORMAL = 1.959963984540054
"""The standard normal distribution exceeds it with a probability of 2.5 %."""
RATE, MEAN = "positive_rate", "mean_label"
"""What is observed in a bin of a calibration."""


def curves(scored: Scored) -> dict[str, dict[str, Any]]:
    """By role, what there is to draw of predictions of this kind."""
    if scored.predicts == "probability":
        return {role: of_probabilities(scored.y, p) for role, p in scored.predictions.items()}
    if scored.predicts == "class":
        return {role: of_classes(scored.y, p) for role, p in scored.predictions.items()}
    return of_amounts(scored.y, scored.predictions)


def of_probabilities(y: Floats, p: Floats) -> dict[str, Any]:
    """Of labels 0 and 1.

    `roc` (`fpr`, `tpr`) and `precision_recall` (`recall`, `precision`) run from the strictest threshold to the
    loosest, first and last point included, and are empty where there is but one class. `calibration` has up to ten
    bins of equally many rows, rows of equal p in one bin, by ascending p. `histogram` counts `zeros` and `ones`, from
    0 to 1.
    """
    thresholds = Thresholds.of(y, p)
    hits, misses = thresholds.above(np.ones(len(y)))
    one_class = len(y) == 0 or not 0.0 < hits[-1] < len(y)
    return {
        "roc": {"fpr": [], "tpr": []} if one_class else _roc(hits, misses),
        "precision_recall": {"recall": [], "precision": []} if one_class else _precision_recall(hits, misses),
        "calibration": _calibration(thresholds, RATE),
        "histogram": {"zeros": _counts(p[y == 0.0], (0.0, 1.0)), "ones": _counts(p[y == 1.0], (0.0, 1.0))},
    }


def of_amounts(y: Floats, predictions: Mapping[str, Floats]) -> dict[str, dict[str, Any]]:
    """Of numbers and counts, by role: `calibration` in bins as above, with the mean label of each; `residuals`, the
    `counts` of prediction less label between the ends `low` and `high`, which all roles share."""
    residuals = {role: p - y for role, p in predictions.items()}
    ends = _ends(list(residuals.values()))
    return {
        role: {
            "calibration": _calibration(Thresholds.of(y, p), MEAN),
            "residuals": {"low": ends[0], "high": ends[1], "counts": _counts(residuals[role], ends)},
        }
        for role, p in predictions.items()
    }


def of_classes(y: Floats, p: Floats) -> dict[str, Any]:
    """Of several classes: `calibration` of the probability given to the most probable class, with the share of rows
    that are of it; `confusion`, the number of rows of each class (a row) that were taken for each (a column)."""
    chosen, width = p.argmax(axis=1), p.shape[1]
    right = (chosen == y).astype(np.float64)
    cells = np.bincount(y.astype(np.intp) * width + chosen, minlength=width**2)
    return {
        "calibration": _calibration(Thresholds.of(right, p.max(axis=1)), RATE),
        "confusion": cells.reshape(width, width).tolist(),
    }


def wilson(hits: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """The 95 % interval of a share (Wilson 1927, "Probable inference, the law of succession, and statistical
    inference", JASA 22), which stays within 0 and 1 and has a width where all rows or none are hits.

    Args:
        hits: Counts, shape (n,).
        rows: The counts they are a part of, above 0, shape (n,).

    Returns:
        Lower and upper ends, each of shape (n,).
    """
    square = NORMAL**2
    middle = (hits + square / 2) / (rows + square)
    half = NORMAL / (rows + square) * np.sqrt(hits * (rows - hits) / rows + square / 4)
    # Rounding must not leave the share itself outside.
    share = hits / rows
    return np.clip(middle - half, 0.0, share), np.clip(middle + half, share, 1.0)


def _roc(hits: Floats, misses: Floats) -> dict[str, list[float]]:
    fpr, tpr = np.append(0.0, misses / misses[-1]), np.append(0.0, hits / hits[-1])
    kept = _thinned(fpr + tpr)
    return {"fpr": fpr[kept].tolist(), "tpr": tpr[kept].tolist()}


def _precision_recall(hits: Floats, misses: Floats) -> dict[str, list[float]]:
    """At recall 0 stands the precision of the strictest threshold: nothing is known of any stricter one."""
    precision = hits / (hits + misses)
    recall, precision = np.append(0.0, hits / hits[-1]), np.append(precision[0], precision)
    kept = _thinned(recall)
    return {"recall": recall[kept].tolist(), "precision": precision[kept].tolist()}


def _thinned(way: Floats) -> npt.NDArray[np.intp]:
    """Places of up to `POINTS` points, evenly spaced along an ascending way, the first and the last among them."""
    if len(way) <= POINTS:
        return np.arange(len(way))
    near = np.searchsorted(way, np.linspace(way[0], way[-1], POINTS)[1:-1])
    return np.unique([0, *near, len(way) - 1])


def _calibration(thresholds: Thresholds, observed: str) -> dict[str, list[float]]:
    """The bins of the calibration error: what was predicted, what came true, and how far chance may have moved it."""
    if len(thresholds.p) == 0:
        return {name: [] for name in ("mean_prediction", observed, "low", "high", "rows")}
    bins = thresholds.bins(BINS)
    rows = np.diff(np.append(bins, len(thresholds.p)))
    sums = np.add.reduceat(thresholds.y, bins)
    squares = np.add.reduceat(np.square(thresholds.y - np.repeat(sums / rows, rows)), bins)
    low, high = wilson(sums, rows) if observed == RATE else _normal(sums / rows, squares, rows)
    found = {
        "mean_prediction": np.add.reduceat(thresholds.p, bins) / rows,
        observed: sums / rows,
        "low": low,
        "high": high,
        "rows": rows,
    }
    return {name: values[::-1].tolist() for name, values in found.items()}


def _normal(means: Floats, squares: Floats, rows: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """The 95 % interval of means by the normal distribution, from the sums of squares around them; one row has none."""
    half = NORMAL * np.sqrt(squares / np.maximum(rows - 1, 1) / rows)
    return means - half, means + half


def _ends(residuals: list[Floats]) -> tuple[float, float]:
    """Where the bars of residuals begin and end: 0 lies between."""
    outer = np.array([(0.0, 0.0), *(np.quantile(each, TAILS) for each in residuals if len(each))])
    low, high = float(outer[:, 0].min()), float(outer[:, 1].max())
    return (low, high) if high > low else (-0.5, 0.5)


def _counts(values: Floats, ends: tuple[float, float]) -> list[int]:
    counts: list[int] = np.histogram(np.clip(values, *ends), BARS, ends)[0].tolist()
    return counts
