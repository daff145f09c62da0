"""Performance and drift over time: what each run of monitoring found."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

from ml_pipeline.handlers.snapshots import folder_name
from ml_pipeline.models.metric import Metric
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import measured
from ml_pipeline.report.plot import Plot, figure, picture
from ml_pipeline.report.scale import around
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import meaning, moment, some
from ml_pipeline_airflow.models_page import words
from ml_pipeline_airflow.models_page.health import Health, Judged
from ml_pipeline_airflow.models_page.visitor import link

SENTENCES, TICKS = 4, 4
Point = tuple[dt.datetime, Judged]


def monitored(use_case: str, watched: Sequence[Health]) -> Markup:
    """A plot of the metric that decides, as far as truth has come, and a line for every run; the newest first."""
    if not watched:
        return tag("p", "Nothing was monitored yet: no run of its DAG of monitoring has come to a verdict.")
    points = [(own.result.as_of, judged) for own in reversed(watched) for judged in own.judged()]
    plot = (
        _plot(points)
        if points
        else tag("p", "No truth has come yet, so nobody can tell how good the predictions were.")
    )
    columns = ("Monitored as of", "Severity", "What was found")
    rows = [_line(use_case, own) for own in watched]
    return join([plot, table(f"The newest {len(rows)} runs of monitoring", columns, rows)])


def _line(use_case: str, own: Health) -> Row:
    as_of = own.result.as_of
    found = tag("ul", *(tag("li", sentence) for sentence in some(own.reasons, SENTENCES)), class_="words")
    report = link(moment(as_of.isoformat()), use_case, "monitoring", folder_name(as_of))
    return Row(report, [words.state(own.severity), found])


def _plot(points: Sequence[Point]) -> Markup:
    """Dots with their intervals, at the moments as of which they were measured."""
    name = points[-1][1].name
    drawn = [(at.timestamp(), own.metric) for at, own in points if own.name == name]
    ends = [
        value
        for _, metric in drawn
        for value in (metric["low"], metric["value"], metric["high"])
        if math.isfinite(value)
    ]
    times = [at for at, _ in drawn]
    margin = max((times[-1] - times[0]) * 0.04, 43200.0)
    plot = Plot.of(x=(times[0] - margin, times[-1] + margin), y=around(min(ends), max(ends)))
    marks = [_mark(plot, at, metric) for at, metric in drawn]
    title = f"{meaning(name).name} as monitored"
    spoken = "; ".join(f"{_date(at)} {measured(metric)}" for at, metric in drawn[-7:])
    parts = [plot.axes("monitored as of", meaning(name).name, ticks=_dates(times)), *marks]
    told = "What all predictions within the window turned out to be worth, with the 95 % interval."
    image = picture("monitored", title, f"The last runs: {spoken}.", parts)
    return tag("div", figure(image, f"{title}.", told), class_="figures")


def _mark(plot: Plot, at: float, metric: Metric) -> Markup:
    whisker = plot.whisker("candidate", at, (metric["low"], metric["high"])) if math.isfinite(metric["low"]) else ""
    return join([whisker, plot.dot("candidate", at, metric["value"])])


def _dates(times: Sequence[float]) -> list[tuple[float, str]]:
    """A few of the days, evenly spread."""
    first, last = times[0], times[-1]
    count = min(TICKS, round((last - first) / 86400) + 1)
    places = [first + (last - first) * at / max(count - 1, 1) for at in range(count)]
    return [(place, f"{dt.datetime.fromtimestamp(place, dt.UTC):%b %d}") for place in places]


def _date(at: float) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d}"
