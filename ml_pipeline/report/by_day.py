"""What was predicted day by day, and what has become true of it, as plots."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ml_pipeline.models.metric import Metric
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import measured, number, percent, plural
from ml_pipeline.report.plot import Ends, Plot, Ticks, figure, picture
from ml_pipeline.report.scale import around, rounded_up
from ml_pipeline.report.words import meaning

TICKS, SPOKEN, FOOT = 5, 7, 0.06
"""Days that an axis names, and last days that a description tells; how high of a plot the marks at its foot are."""
Day = Mapping[str, Any]
"""A line of the dataset `performance`, its day a date."""


def figures(days: Sequence[Day], name: str, promised: Iterable[Metric]) -> Markup:
    """All there is to draw.

    Args:
        days: One at least.
        name: The metric by which models are compared.
        promised: What the test rows had promised of it.
    """
    known = [day for day in days if not math.isnan(day[name])]
    nothing = tag("p", "No day has enough truth yet to be judged.")
    drawn = _performance(days, known, name, promised) if known else nothing
    return tag("div", drawn, *_means(days), _coverage(days), class_="figures")


def metric(day: Day, name: str) -> Metric:
    """A metric of a day; all of it NaN where too little is known."""
    return {"value": day[name], "low": day[f"{name}_low"], "high": day[f"{name}_high"]}


def date(day: Day) -> str:
    """As it is written."""
    return f"{day['day']:%Y-%m-%d}"


def _performance(days: Sequence[Day], known: Sequence[Day], name: str, promised: Iterable[Metric]) -> Markup:
    """The metric that decides, beside what the test rows had promised."""
    guides = [own["value"] for own in promised]
    ends = [value for day in known for value in metric(day, name).values() if not math.isnan(value)]
    plot = Plot.of(x=span(_places(days)), y=around(min([*ends, *guides]), max([*ends, *guides])))
    turns = list(_turns(days))
    foot = plot.y.low, plot.y.low + FOOT * (plot.y.high - plot.y.low)
    parts = [
        plot.axes("day", meaning(name).name, ticks=ticks(_places(days))),
        *(plot.line("guide", span(_places(days)), (value, value)) for value in guides),
        *(plot.whisker("champion", place, foot) for place in turns),
        *(_mark(plot, day, name) for day in known),
    ]
    spoken = "; ".join(f"{date(day)} {measured(metric(day, name))}" for day in known[-SPOKEN:])
    title = f"{meaning(name).name} by day"
    told = [
        "Each day with its 95 % interval, hollow while truth is missing. Dotted: what the test rows had promised.",
        *(["Strokes at the foot: from that day on another model predicts."] if turns else []),
    ]
    return figure(picture("performance", title, f"The last days: {spoken}.", parts), f"{title}.", " ".join(told))


def _turns(days: Sequence[Day]) -> Iterator[float]:
    """Places between two days of which different models made the most predictions."""
    most: dict[float, Day] = {}
    for day in days:
        if day["predicted"] > most.get(_place(day), {"predicted": 0.0})["predicted"]:
            most[_place(day)] = day
    for earlier, later in pairwise(sorted(most)):
        if most[earlier]["model_version"] != most[later]["model_version"]:
            yield later - 0.5


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
    plot = Plot.of(x=span(_places(days)), y=around(min(values), max(values)))
    dots = [
        plot.dot(kind, _place(day), day[name])
        for day in days
        for kind, name in drawn.items()
        if not math.isnan(day[name])
    ]
    title, told = "Mean by day", "Full: what was predicted. Hollow: what has become true of it, as far as it is known."
    last = [(date(day), number(day["mean_prediction"]), number(day["mean_label"])) for day in days[-SPOKEN:]]
    spoken = "; ".join(f"{date} {predicted}, {true}" for date, predicted, true in last)
    parts = [plot.axes("day", "mean", ticks=ticks(_places(days))), *dots]
    yield figure(picture("means", title, f"Predicted and true on the last days: {spoken}.", parts), f"{title}.", told)


def _coverage(days: Sequence[Day]) -> Markup:
    """How many were predicted, and of how many the truth is known."""
    totals: dict[float, tuple[float, float]] = {}
    for day in days:
        predicted, known = totals.get(_place(day), (0.0, 0.0))
        totals[_place(day)] = predicted + day["predicted"], known + day["known"]
    plot = Plot.of(x=span(_places(days)), y=(0.0, rounded_up(max(predicted for predicted, _ in totals.values()))))
    bars = [
        plot.bar(kind, (place - 0.4, place + 0.4), size)
        for place, both in totals.items()
        for kind, size in zip(("candidate below", "candidate"), both, strict=True)
    ]
    whole, known = (sum(both[part] for both in totals.values()) for part in (0, 1))
    told = f"Of {plural(int(whole), 'prediction')} the truth of {percent(known / whole)} is known."
    parts = [plot.axes("day", "predictions", ticks=ticks(_places(days))), *bars]
    return figure(
        picture("coverage", "Predictions by day", told, parts), "Predictions by day.", f"{told} Faint: not yet."
    )


def span(places: Sequence[float]) -> Ends:
    """From a little before the first day to a little after the last; days are counted as `date.toordinal` does."""
    return min(places) - 0.75, max(places) + 0.75


def ticks(places: Sequence[float]) -> Ticks:
    """A few of the days, evenly spread."""
    first, last = int(min(places)), int(max(places))
    step = max(1, math.ceil((last - first) / (TICKS - 1)))
    return [(float(place), f"{dt.date.fromordinal(place):%b %d}") for place in range(first, last + 1, step)]


def _places(days: Sequence[Day]) -> list[float]:
    return [_place(day) for day in days]


def _place(day: Day) -> float:
    return float(day["day"].toordinal())
