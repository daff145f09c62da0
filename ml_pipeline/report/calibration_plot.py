"""Whether predictions come true: bins of rows, what was predicted of them and what was observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ml_pipeline.models.curves import MEAN, RATE
from ml_pipeline.models.evaluation import CANDIDATE
from ml_pipeline.report.markup import Markup, join
from ml_pipeline.report.numbers import decimal, number, plural
from ml_pipeline.report.plot import Ends, Plot, figure, picture
from ml_pipeline.report.roles import Curves, drawn, legend_of
from ml_pipeline.report.scale import around, rounded_up

Bins = Mapping[str, Sequence[float]]


class Axes(NamedTuple):
    """What is predicted and what is observed, by name."""

    predicted: str
    observed: str


AXES = {
    "probability": Axes("mean prediction of a bin", "observed share of ones"),
    "class": Axes("mean probability of the most probable class", "share of rows of that class"),
    "number": Axes("mean prediction of a bin", "mean label"),
    "count": Axes("mean prediction of a bin", "mean count"),
}


def calibration(curves: Curves, predicts: str) -> Markup:
    """A dot and a whisker for each bin."""
    bins, axes = {role: curves[role]["calibration"] for role in drawn(curves)}, AXES[predicts]
    ends = _ends(list(bins.values()))
    plot = Plot.of(ends, ends)
    parts = [
        legend_of(curves, "exact"),
        plot.axes(*axes),
        plot.line("guide", ends, ends),
        *(_bins(plot, role, own) for role, own in bins.items()),
    ]
    spoken = f"{axes.predicted.capitalize()} and {axes.observed}, of the candidate: {_listed(bins[CANDIDATE])}."
    found = plural(len(bins[CANDIDATE]["rows"]), "bin")
    caption = f"{found} of about equally many rows, with 95 % intervals. On the dotted line predictions come true."
    return figure(picture("calibration", "Calibration", spoken, parts), "Calibration.", caption)


def _observed(bins: Bins) -> Sequence[float]:
    return bins[RATE if RATE in bins else MEAN]


def _listed(bins: Bins) -> str:
    """Bin by bin."""
    pairs = zip(bins["mean_prediction"], _observed(bins), strict=True)
    written = (lambda value: decimal(value, 3)) if RATE in bins else number
    return "; ".join(f"{written(mean)} {written(observed)}" for mean, observed in pairs)


def _ends(bins: Sequence[Bins]) -> Ends:
    """From 0, for shares to 1 at most; amounts have ends of their own."""
    values = [value for each in bins for name in ("mean_prediction", "low", "high") for value in each[name]]
    if RATE in bins[0]:
        return 0.0, min(rounded_up(max(values)), 1.0)
    return around(min(values), max(values))


def _bins(plot: Plot, role: str, bins: Bins) -> Markup:
    places = list(zip(bins["mean_prediction"], _observed(bins), bins["low"], bins["high"], strict=True))
    return join(
        [
            *(plot.whisker(role, x, (low, high)) for x, _, low, high in places),
            *(plot.dot(role, x, y) for x, y, _, _ in places),
        ]
    )
