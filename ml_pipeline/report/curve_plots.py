"""Plots of what was predicted on the test rows, candidate and champion in one; those of thresholds and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ml_pipeline.models.evaluation import CANDIDATE, CHAMPION
from ml_pipeline.report.calibration_plot import calibration
from ml_pipeline.report.confusion_table import confusion_table
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import decimal, percent
from ml_pipeline.report.plot import Plot, figure, outline, picture
from ml_pipeline.report.residual_plot import residuals
from ml_pipeline.report.roles import Curves, drawn, legend_of
from ml_pipeline.report.scale import rounded_up, tick

HEADROOM = 1.2
"""Keeps bars clear of the words above and below them."""


def plots(found: Mapping[str, Any], label: str) -> Markup:
    """All of metrics.yaml, or a sentence instead of those that cannot be drawn. `label` is the name of what is
    predicted."""
    curves, predicts = found.get("curves", {}), found.get("predicts", "probability")
    if not curves:
        return tag("p", "No curves were stored with this model's evaluation.")
    if not curves[CANDIDATE]["calibration"]["rows"]:
        return tag("p", "There were no test rows to draw curves of.")
    calibrated = calibration(curves, predicts)
    if predicts == "probability":
        return _figures(*_ranking(curves), calibrated, scores(curves, label))
    if predicts == "class":
        return join([_figures(calibrated), confusion_table(curves[CANDIDATE]["confusion"], found["classes"])])
    return _figures(calibrated, residuals(curves))


def _figures(*parts: Markup) -> Markup:
    return tag("div", *parts, class_="figures")


def _ranking(curves: Curves) -> list[Markup]:
    if not curves[CANDIDATE]["roc"]["fpr"]:
        return [tag("p", "All test rows are of one class, so there is no ROC and no precision-recall curve.")]
    return [roc(curves), precision_recall(curves)]


def roc(curves: Curves) -> Markup:
    """Ones found against false alarms."""
    plot = Plot.of()
    lines = [plot.line(role, *_pair(curves[role]["roc"], "fpr", "tpr")) for role in drawn(curves)]
    parts = [
        legend_of(curves, "guessing"),
        plot.axes("share of zeros above the threshold", "share of ones above it"),
        plot.line("guide", (0.0, 1.0), (0.0, 1.0)),
        *lines,
    ]
    spoken = _spoken(curves, "roc", ("fpr", "tpr"), "Of the zeros and of the ones above a threshold")
    caption = "The further above the dotted line of guessing, the better ones are told from zeros."
    return figure(picture("roc", "ROC curve", spoken, parts), "ROC.", caption)


def precision_recall(curves: Curves) -> Markup:
    """How pure the rows above a threshold are."""
    plot, rate = Plot.of(), _rate(curves)
    pairs = {role: _pair(curves[role]["precision_recall"], "recall", "precision") for role in drawn(curves)}
    parts = [
        legend_of(curves, "guessing"),
        plot.axes("recall: share of ones above the threshold", "precision: ones among those above"),
        plot.line("guide", (0.0, 1.0), (rate, rate)),
        *(plot.line(role, *pair) for role, pair in pairs.items()),
    ]
    spoken = _spoken(curves, "precision_recall", ("recall", "precision"), "Recall and precision at a threshold")
    caption = f"The dotted line is the share of ones in all rows, {percent(rate)}: what guessing would give."
    return figure(
        picture("precision-recall", "Precision-recall curve", spoken, parts), "Precision and recall.", caption
    )


def scores(curves: Curves, label: str) -> Markup:
    """How predictions of ones and zeros are spread: ones upwards, zeros downwards."""
    shares = {role: _shares(curves[role]["histogram"]) for role in drawn(curves)}
    top = rounded_up(HEADROOM * max(max(max(side) for side in sides) for sides in shares.values()), 4)
    plot = Plot.of(y=(-top, top))
    edges = np.linspace(0.0, 1.0, len(shares[CANDIDATE][0]) + 1).tolist()
    parts = [
        legend_of(curves),
        plot.axes("prediction", "share of the rows of a label", lambda value: tick(abs(value))),
        *(_bars(plot, edges, side, sign) for side, sign in zip(shares[CANDIDATE], (1.0, -1.0), strict=True)),
        *(plot.note(sign * 0.93 * top, f"{label} {value}") for value, sign in ((1, 1.0), (0, -1.0))),
        *(_outlines(plot, edges, shares[CHAMPION]) if CHAMPION in shares else ()),
    ]
    ones, zeros = (decimal(float(np.convolve(edges, (0.5, 0.5), "valid") @ side), 3) for side in shares[CANDIDATE])
    spoken = f"The candidate's mean prediction is about {ones} where {label} is 1 and {zeros} where it is 0."
    caption = f"Rows with {label} 1 point upwards, those with 0 downwards, each as shares of their own number."
    return figure(picture("scores", "Scores by label", spoken, parts), "Scores by label.", caption)


def _pair(curve: Mapping[str, Sequence[float]], x: str, y: str) -> tuple[Sequence[float], Sequence[float]]:
    return curve[x], curve[y]


def _spoken(curves: Curves, curve: str, names: tuple[str, str], what: str) -> str:
    """A few points of the candidate's curve in words."""
    xs, ys = _pair(curves[CANDIDATE][curve], *names)
    points = (f"{percent(x)} {percent(float(np.interp(x, xs, ys)))}" for x in (0.1, 0.25, 0.5, 0.75))
    return f"{what}, the candidate: {'; '.join(points)}."


def _rate(curves: Curves) -> float:
    histogram = curves[CANDIDATE]["histogram"]
    ones, zeros = sum(histogram["ones"]), sum(histogram["zeros"])
    return float(ones / (ones + zeros))


def _shares(histogram: Mapping[str, Sequence[int]]) -> tuple[list[float], list[float]]:
    """Of ones and of zeros; nothing of a label that no row has."""
    ones, zeros = ([count / max(sum(histogram[name]), 1) for count in histogram[name]] for name in ("ones", "zeros"))
    return ones, zeros


def _bars(plot: Plot, edges: Sequence[float], side: Sequence[float], sign: float) -> Markup:
    kind = CANDIDATE if sign > 0 else f"{CANDIDATE} below"
    return join(plot.bar(kind, ends, share * sign) for ends, share in zip(pairwise(edges), side, strict=True) if share)


def _outlines(plot: Plot, edges: Sequence[float], sides: tuple[list[float], list[float]]) -> list[Markup]:
    signed = ([sign * share for share in side] for side, sign in zip(sides, (1.0, -1.0), strict=True))
    return [plot.line(CHAMPION, *outline(edges, each)) for each in signed]
