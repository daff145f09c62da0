"""The year in one picture: what champions that were retrained were worth by week, beside the first model left alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ml_pipeline.report.document import style_of
from ml_pipeline.report.markup import Markup, tag
from ml_pipeline.report.plot import Plot, legend, picture, text
from ml_pipeline.report.scale import around

METRIC = "roc_auc"
SIZE, STRIPS, ROW = (860.0, 360.0), 40.0, 20.0
"""The plot itself, and below it the rows of what happened."""
SERIES = {"candidate": "metrics", "champion": "champion_metrics"}
"""Kind of a line -> where its values stand."""
NAMES = [("candidate", "champions, retrained every night"), ("champion", "the model of January, left alone")]
RADIUS, MORE = 2.0, 0.35
"""Of the dot for one drifted column, and for each further one."""


class Event(NamedTuple):
    """What monitoring said on a day: how many columns have drifted, and the severity."""

    day: dt.date
    drifted: int
    severity: str


def draw(weeks: Mapping[dt.date, Any], promoted: Sequence[dt.date], seen: Sequence[Event]) -> str:
    """An SVG picture that needs nothing else; the same facts give the same text."""
    days = [*weeks, *promoted, *(one.day for one in seen)]
    ends = (min(days).toordinal() - 2.0, max(days).toordinal() + 8.0)
    values = [own[name][METRIC]["value"] for own in weeks.values() for name in SERIES.values()]
    plot = Plot.of(x=ends, y=around(min(values), max(values)), size=SIZE)
    parts = [
        plot.axes("", "ROC-AUC of a week's flights", ticks=list(_months(min(days), max(days)))),
        legend(NAMES),
        *(part for kind, name in reversed(SERIES.items()) for part in _series(plot, weeks, kind, name)),
        *_strips(plot, promoted, seen),
    ]
    size = (SIZE[0], SIZE[1] + STRIPS)
    title = "A year of flights: champions retrained every night beside the model of January"
    drawn = picture("year", title, _spoken(weeks, promoted, seen), parts, size)
    view = f"0 0 {size[0]:.0f} {size[1]:.0f}"
    paper = tag("rect", width="100%", height="100%", style="fill: var(--paper)")
    style = tag("style", Markup(style_of("plot.css")))
    return tag("svg", style, paper, drawn, xmlns="http://www.w3.org/2000/svg", viewBox=view) + "\n"


def _series(plot: Plot, weeks: Mapping[dt.date, Any], kind: str, name: str) -> Iterator[Markup]:
    places = [day.toordinal() + 3.5 for day in weeks]
    found = [own[name][METRIC] for own in weeks.values()]
    yield plot.line(kind, places, [own["value"] for own in found])
    for place, own in zip(places, found, strict=True):
        yield plot.dot(kind, place, own["value"])


def _strips(plot: Plot, promoted: Sequence[dt.date], seen: Sequence[Event]) -> Iterator[Markup]:
    """A row each: promotions, and columns that have drifted."""
    rows = [SIZE[1] - 4 + ROW * row for row in range(2)]
    for row, name in zip(rows, ("promoted", "drift"), strict=True):
        yield text(2.0, row + 4.5, name, "start", "name")
    for day in promoted:
        x = plot.x(day.toordinal())
        yield tag("line", class_="whisker candidate", x1=x, x2=x, y1=rows[0] - 6, y2=rows[0] + 6)
    for one in seen:
        x = f"{plot.x(one.day.toordinal()):.1f}"
        if one.drifted:
            size = RADIUS + MORE * (one.drifted - 1)
            yield tag("circle", class_="mark candidate", cx=x, cy=rows[1], r=size)


def _months(first: dt.date, last: dt.date) -> Iterator[tuple[float, str]]:
    day = first.replace(day=1)
    while day <= last:
        if day >= first:
            yield float(day.toordinal()), f"{day:%b}"
        day = (day + dt.timedelta(31)).replace(day=1)


def _spoken(weeks: Mapping[dt.date, Any], promoted: Sequence[dt.date], seen: Sequence[Event]) -> str:
    """What a reader who does not see it is told."""
    ahead = sum(own["metrics"][METRIC]["value"] > own["champion_metrics"][METRIC]["value"] for own in weeks.values())
    drifted = sum(one.drifted > 0 for one in seen)
    return (
        f"In {ahead} of {len(weeks)} weeks the retrained champions order flights better than the first model. "
        f"{len(promoted)} models were promoted. Of {len(seen)} weekly looks {drifted} saw drift."
    )
