"""A few lines over time, told apart by how they are drawn and not by colour alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import chain

from ml_pipeline.report.by_day import span, ticks
from ml_pipeline.report.markup import Markup, join
from ml_pipeline.report.numbers import number
from ml_pipeline.report.plot import Plot, figure, picture
from ml_pipeline.report.scale import around

STROKES = {"candidate": "Solid", "champion": "Dashed", "guide": "Dotted"}
"""Kinds of lines, and what they look like."""
MOST = len(STROKES)
Series = Sequence[tuple[dt.datetime, float]]


def over_time(title: str, upwards: str, series: Mapping[str, Series], told: str) -> Markup:
    """A plot.

    Args:
        title: What it shows.
        upwards: What the axis measures.
        series: Name -> moments and finite values; one at least, `MOST` at most, none of them empty.
        told: How to read it.
    """
    places = [_place(at) for at, _ in chain(*series.values())]
    values = [value for _, value in chain(*series.values())]
    plot = Plot.of(x=span(places), y=around(min(0.0, *values), max(values)))
    lines = [_line(plot, kind, own) for kind, own in zip(STROKES, series.values(), strict=False)]
    drawn = [plot.axes("day", upwards, ticks=ticks(places)), *lines]
    which = " ".join(f"{stroke}: {name}." for stroke, name in zip(STROKES.values(), series, strict=False))
    spoken = "; ".join(f"{name} {number(own[-1][1])}" for name, own in series.items())
    image = picture(title.lower().replace(" ", "-"), title, f"At the end: {spoken}.", drawn)
    return figure(image, f"{title}.", f"{told} {which}")


def _line(plot: Plot, kind: str, own: Series) -> Markup:
    places, values = [_place(at) for at, _ in own], [value for _, value in own]
    return join([plot.line(kind, places, values), plot.dot(kind, places[-1], values[-1])])


def _place(at: dt.datetime) -> float:
    return at.toordinal() + (at - dt.datetime.combine(at.date(), dt.time())) / dt.timedelta(days=1)
