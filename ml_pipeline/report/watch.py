"""The page of a monitoring run: whether to worry, and what the days were like."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.models.metric import Metric
from ml_pipeline.monitoring.drift import Drift
from ml_pipeline.monitoring.effects import Effect
from ml_pipeline.monitoring.health import Visit
from ml_pipeline.monitoring.severity import SEVERITIES, Finding, Severity, worst
from ml_pipeline.report import slices
from ml_pipeline.report.document import document
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, decimal, interval, measured, number, percent, plural
from ml_pipeline.report.plot import Plot, Ticks, figure, picture
from ml_pipeline.report.scale import around, rounded_up
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import meaning, moment, some, spaced

HEADLINES: Mapping[Severity, str] = {
    "ok": "✓ Nothing to do. ",
    "not enough data": "… Too early to tell. ",
    "watch": "! Keep an eye on it. ",
    "not comparable": "? Something is not what it was. ",
    "act": "✗ Act. ",
}
KINDS: Mapping[Severity, str] = {"ok": "passed", "act": "failed"}
MOST_FINDINGS, MOST_DAYS, MOST_RUNS, TICKS = 40, 60, 31, 5
Day = Mapping[str, Any]


class Watched(NamedTuple):
    """What a monitoring run found; all plain values.

    `days` are the lines of the dataset `performance`, `now` by model version what all days together are worth, `then`
    their metrics.yaml, `decides` the metric by which models are compared; `visits` and `drift` tell of the data scored.
    """

    config: UseCaseConfig
    as_of: str
    findings: Sequence[Finding]
    days: Sequence[Day]
    now: Mapping[str, Mapping[str, Any]]
    then: Mapping[str, Mapping[str, Any]]
    decides: str
    visits: Sequence[Visit] = ()
    drift: Drift | None = None
    synthetic: Sequence[str] = ()


def render(watched: Watched) -> str:
    """The page; the same facts give the same text."""
    sections = {
        "Day by day": _days(watched),
        "Models": join(_model(watched, version) for version in watched.now),
        "Data": _data(watched.visits),
        "Drift": _drift(watched.drift),
        "Numbers": _numbers(watched),
    }
    return document(f"{watched.config.name} monitoring", _header(watched), sections)


def _header(watched: Watched) -> Markup:
    severity = worst(watched.findings)
    urgent = sorted(watched.findings, key=lambda own: -SEVERITIES.index(own.severity))
    found = [f"{own.severity}: {own.sentence}" for own in urgent]
    when = join([", as of ", tag("time", moment(watched.as_of))])
    return tag(
        "header",
        tag("p", f"Monitoring · {watched.config.name}", class_="kind"),
        tag("h1", watched.config.question),
        tag("p", "What was predicted, and what has become true since", when),
        tag(
            "div",
            tag("p", tag("strong", HEADLINES[severity]), "What was found:"),
            tag("ul", *(tag("li", text) for text in some(found, MOST_FINDINGS))),
            class_=f"verdict {KINDS.get(severity, '')}".rstrip(),
        ),
        *_banner(watched),
    )


def _banner(watched: Watched) -> Iterable[Markup]:
    if watched.synthetic:
        told = f" The records of {', '.join(watched.synthetic)} are made up."
        yield tag("p", tag("strong", "SYNTHETIC DATA."), told, class_="synthetic", role="note")


def _days(watched: Watched) -> Markup:
    if not watched.days:
        return tag("p", "Nothing was predicted by a model that is still stored.")
    known = [day for day in watched.days if not math.isnan(day[watched.decides])]
    parts = [_performance(watched, known)] if known else [tag("p", "No day has enough truth yet to be judged.")]
    return tag("div", *parts, *_means(watched.days), _coverage(watched.days), class_="figures")


def _performance(watched: Watched, days: Sequence[Day]) -> Markup:
    """The metric that decides by day, beside what the test rows had promised."""
    name = watched.decides
    ends = [value for day in days for value in (day[f"{name}_low"], day[f"{name}_high"]) if not math.isnan(value)]
    promised = {version: own["metrics"][name] for version, own in watched.then.items() if own.get("metrics")}
    values = [*ends, *(day[name] for day in days), *(own["value"] for own in promised.values())]
    plot = Plot.of(x=_span(watched.days), y=around(min(values), max(values)))
    parts = [
        plot.axes("day", meaning(name).name, ticks=_dates(watched.days)),
        *(plot.line("guide", _span(watched.days), (own["value"], own["value"])) for own in promised.values()),
        *(_mark(plot, day, name) for day in days),
    ]
    spoken = "; ".join(f"{_date(day)} {measured(_metric(day, name))}" for day in days[-7:])
    caption = "Each day with its 95 % interval, hollow while truth is missing. Dotted: what the test rows had promised."
    title = f"{meaning(name).name} by day"
    return figure(picture("performance", title, f"The last days: {spoken}.", parts), f"{title}.", caption)


def _mark(plot: Plot, day: Day, name: str) -> Markup:
    kind = "candidate" if day["state"] == "mature" else "champion"
    low, high = day[f"{name}_low"], day[f"{name}_high"]
    whisker = "" if math.isnan(low) else plot.whisker(kind, _place(day), (low, high))
    return join([whisker, plot.dot(kind, _place(day), day[name])])


def _means(days: Sequence[Day]) -> Iterable[Markup]:
    """What was predicted in the mean of a day, beside what became true; nothing where classes are predicted."""
    drawn = {"candidate": "mean_prediction", "champion": "mean_label"}
    values = [day[name] for day in days for name in drawn.values() if not math.isnan(day[name])]
    if not values:
        return
    plot = Plot.of(x=_span(days), y=around(min(values), max(values)))
    dots = [
        plot.dot(kind, _place(day), day[name])
        for day in days
        for kind, name in drawn.items()
        if not math.isnan(day[name])
    ]
    title, told = "Mean by day", "Full: what was predicted. Hollow: what has become true of it, as far as it is known."
    last = [(_date(day), number(day["mean_prediction"]), number(day["mean_label"])) for day in days[-7:]]
    spoken = "; ".join(f"{date} {predicted}, {true}" for date, predicted, true in last)
    parts = [plot.axes("day", "mean", ticks=_dates(days)), *dots]
    yield figure(picture("means", title, f"Predicted and true on the last days: {spoken}.", parts), f"{title}.", told)


def _coverage(days: Sequence[Day]) -> Markup:
    """How many were predicted, and of how many the truth is known."""
    totals: dict[float, tuple[float, float]] = {}
    for day in days:
        predicted, known = totals.get(_place(day), (0.0, 0.0))
        totals[_place(day)] = predicted + day["predicted"], known + day["known"]
    plot = Plot.of(x=_span(days), y=(0.0, rounded_up(max(predicted for predicted, _ in totals.values()))))
    bars = [
        plot.bar(kind, (place - 0.4, place + 0.4), size)
        for place, both in totals.items()
        for kind, size in zip(("candidate below", "candidate"), both, strict=True)
    ]
    whole, known = (sum(both[part] for both in totals.values()) for part in (0, 1))
    told = f"Of {plural(int(whole), 'prediction')} the truth of {percent(known / whole)} is known."
    parts = [plot.axes("day", "predictions", ticks=_dates(days)), *bars]
    return figure(picture("coverage", "Predictions by day", told, parts), "Predictions by day.", f"{told} Dark: known.")


def _model(watched: Watched, version: str) -> Markup:
    """What became true beside what was promised, then by slice."""
    now, then = watched.now[version], watched.then.get(version, {})
    if not now:
        return tag("p", tag("code", version), ": not enough of its predictions have come true or not.")
    promised = then.get("metrics", {})
    rows = [
        Row(meaning(name).name, [_value(own), _value(promised[name]) if name in promised else NONE])
        for name, own in now["metrics"].items()
    ]
    caption = f"{version}: {plural(now['rows'], 'row')} that came true, beside its test rows"
    parts = [table(caption, ("Metric", "Came true", "Test rows"), rows)]
    return join([*parts, slices.section(now, watched.config.evaluate)] if now.get("slices") else parts)


def _value(metric: Metric) -> Markup:
    """The value, and its interval below it."""
    return join([NONE]) if math.isnan(metric["value"]) else join([measured(metric), tag("small", interval(metric))])


def _data(visits: Sequence[Visit]) -> Markup:
    """What the last scoring runs saw, the newest first."""
    newest = list(reversed(visits))[:MOST_RUNS]
    if not newest:
        return tag("p", "No scoring run was ordered within the window.")
    sources = list(dict.fromkeys(source for visit in newest for source in visit.unmatched))
    rows = [
        Row(
            visit.as_of.replace(" ", "\xa0"),
            [
                f"{visit.rows:,}",
                f"{sum(aside for aside, _ in visit.set_aside.values()):,}",
                *(percent(visit.unmatched.get(source)) for source in sources),
            ],
        )
        for visit in newest
    ]
    columns = ("Scored as of", "Rows", "Set aside", *(f"No match in {spaced(source)}" for source in sources))
    return table("The last scoring runs, the newest first", columns, rows)


def _drift(drift: Drift | None) -> Markup:
    """Every column with its effects, the most urgent first."""
    if drift is None:
        return tag("p", "There is no champion yet, or nothing is stored of what it predicted from.")
    if not drift.columns:
        return tag("p", drift.sentence)
    ordered = sorted(drift.columns, key=lambda own: -SEVERITIES.index(own.severity))
    names = list(dict.fromkeys(name for own in ordered for name in own.effects))
    rows = [
        Row(spaced(own.column), [own.severity, *(_effect(own.effects.get(name)) for name in names)]) for own in ordered
    ]
    caption = "What was scored last beside the training rows; effects beyond chance and what is usual count"
    return table(caption, ("Column", "State", *map(spaced, names)), rows)


def _effect(effect: Effect | None) -> str:
    return decimal(effect.value, 3) if effect else NONE


def _numbers(watched: Watched) -> Markup:
    """The plots as a table, the newest days first."""
    name = watched.decides
    newest = sorted(watched.days, key=lambda day: (day["day"], day["model_version"]), reverse=True)[:MOST_DAYS]
    rows = [Row(_date(day), [day["model_version"], f"{day['predicted']:,.0f}", f"{day['known']:,.0f}", day["state"],
                             _value(_metric(day, name))]) for day in newest]  # fmt: skip
    return table("Days, the newest first", ("Day", "Model", "Predicted", "Known", "State", meaning(name).name), rows)


def _metric(day: Day, name: str) -> Metric:
    return {"value": day[name], "low": day[f"{name}_low"], "high": day[f"{name}_high"]}


def _date(day: Day) -> str:
    return f"{day['day']:%Y-%m-%d}"


def _place(day: Day) -> float:
    return float(day["day"].toordinal())


def _span(days: Sequence[Day]) -> tuple[float, float]:
    places = [_place(day) for day in days]
    return min(places) - 0.75, max(places) + 0.75


def _dates(days: Sequence[Day]) -> Ticks:
    """A few of the days, evenly spread."""
    first, last = (int(end(_place(day) for day in days)) for end in (min, max))
    step = max(1, math.ceil((last - first) / (TICKS - 1)))
    return [(float(place), f"{dt.date.fromordinal(place):%b %d}") for place in range(first, last + 1, step)]
