"""How the data of the scoring runs were: how many, how whole, how old."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, percent
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import moment, spaced
from ml_pipeline_airflow.models_page import words
from ml_pipeline_airflow.models_page.over_time import MOST, Series, over_time

SHARES = ("set_aside", "duplicates", "unmatched", "later")
HOURS = "age_hours"
NAMES = {"rows": "Rows", "set_aside": "Set aside", "duplicates": "Duplicate keys", "unmatched": "No match",
         "later": "Dated later", HOURS: "Age of the newest", "columns_changed": "Columns changed"}  # fmt: skip
"""Measure -> what it is called, in the order in which they are shown."""
Line = Mapping[str, Any]
"""A row of the dataset `health`."""


def data(lines: Sequence[Line]) -> Markup:
    """The last scoring run beside what is usual, and the runs before it."""
    own = [line for line in lines if not line["column"] and line["measure"] in NAMES and math.isfinite(line["value"])]
    if not own:
        return tag("p", "Nothing is stored of the data of scoring runs.")
    plots = [
        *_plot(own, SHARES, "Records with something wrong", "share"),
        *_plot(own, (HOURS,), "Age of the newest record", "hours"),
    ]
    return join([_last(own), tag("div", *plots, class_="figures")])


def _last(own: Sequence[Line]) -> Markup:
    last = max(line["as_of"] for line in own)
    found = {(line["source"], line["measure"]): line for line in own if line["as_of"] == last}
    sources = list(dict.fromkeys(source for source, _ in found))
    measures = [name for name in NAMES if any(measure == name for _, measure in found)]
    rows = [Row(spaced(source), [_cell(found.get((source, name))) for name in measures]) for source in sources]
    when = moment(last.replace(tzinfo=dt.UTC).isoformat())
    return table(
        f"The scoring run as of {when}, beside what is usual", ("Source", *(NAMES[name] for name in measures)), rows
    )


def _cell(line: Line | None) -> Markup:
    if line is None:
        return join([NONE])
    value, usual = _said(line["measure"], line["value"]), line["usual"]
    beside = tag("small", "usually ", _said(line["measure"], usual)) if math.isfinite(usual) else ""
    urgent = tag("small", words.state(line["severity"])) if line["severity"] not in ("ok", "not enough data") else ""
    return join([value, beside, urgent])


def _said(measure: str, value: float) -> str:
    if measure in SHARES:
        return percent(value)
    return f"{value:.1f} h" if measure == HOURS else f"{value:,.0f}"


def _plot(own: Sequence[Line], measures: Sequence[str], title: str, upwards: str) -> list[Markup]:
    """The worst of them at the end; nothing where all are 0 all the time."""
    found: dict[str, list[tuple[dt.datetime, float]]] = {}
    for line in own:
        if line["measure"] in measures:
            found.setdefault(_called(line), []).append((line["as_of"], line["value"]))
    some = {name: series for name, series in found.items() if any(value for _, value in series)}
    worst: dict[str, Series] = {name: some[name] for name in sorted(some, key=lambda name: -some[name][-1][1])[:MOST]}
    return [over_time(title, upwards, worst, "By scoring run.")] if worst else []


def _called(line: Line) -> str:
    source = spaced(line["source"])
    return source if line["measure"] == HOURS else f"{NAMES[line['measure']].lower()}, {source}"
