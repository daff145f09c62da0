"""What a plot of a model's quality shows: curves of thresholds, calibration and the spread of its predictions.

Everything is plain lists, ready to be stored. Labels y are 0 or 1, probabilities p lie between, each of shape (rows,).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Floats
from ml_pipeline.models.metrics import Ranking

POINTS = 120
"""Most points of a curve."""
BARS = 30
"""Bars of the histogram, all equally wide, from 0 to 1."""
NORMAL = 1.959963984540054
"""The standard normal distribution exceeds it with a probability of 2.5 %."""


def curves(y: Floats, p: Floats) -> dict[str, Any]:
    """All of them.

    `roc` (`fpr`, `tpr`) and `precision_recall` (`recall`, `precision`) run from the strictest threshold to the
    loosest, first and last point included, and are empty where there is but one class. `calibration` has up to ten
    bins of equally many rows, rows of equal p in one bin, by ascending p. `histogram` counts `zeros` and `ones`.
    """
    ranking = Ranking.of(y, p)
    hits, misses = np.cumsum(ranking.y)[ranking.ends], np.cumsum(1.0 - ranking.y)[ranking.ends]
    one_class = len(y) == 0 or not 0.0 < hits[-1] < len(y)
    return {
        "roc": {"fpr": [], "tpr": []} if one_class else _roc(hits, misses),
        "precision_recall": {"recall": [], "precision": []} if one_class else _precision_recall(hits, misses),
        "calibration": _calibration(ranking),
        "histogram": {"zeros": _counts(p[y == 0.0]), "ones": _counts(p[y == 1.0])},
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


def _calibration(ranking: Ranking) -> dict[str, list[float]]:
    """The bins of the calibration error: what was predicted, what came true, and how far chance may have moved it."""
    if len(ranking.p) == 0:
        return {name: [] for name in ("mean_prediction", "positive_rate", "low", "high", "rows")}
    rows = np.diff(np.append(ranking.bins, len(ranking.p)))[::-1]
    hits = np.add.reduceat(ranking.y, ranking.bins)[::-1]
    low, high = wilson(hits, rows)
    return {
        "mean_prediction": (np.add.reduceat(ranking.p, ranking.bins)[::-1] / rows).tolist(),
        "positive_rate": (hits / rows).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "rows": rows.tolist(),
    }


def _counts(p: Floats) -> list[int]:
    counts: list[int] = np.histogram(np.clip(p, 0.0, 1.0), BARS, (0.0, 1.0))[0].tolist()
    return counts
