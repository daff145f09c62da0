"""How far what is scored has drifted from what models learnt, week after week."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ml_pipeline.report.by_day import span, ticks
from ml_pipeline.report.markup import Markup, tag
from ml_pipeline.report.plot import Plot, figure, picture
from ml_pipeline.report.scale import rounded_up
from ml_pipeline.report.words import spaced
from ml_pipeline_airflow.models_page.over_time import MOST, Series, over_time

EFFECT = "psi"
"""The effect that is drawn: the one whose customary limits people know."""
DRIFTED = ("watch", "not comparable", "act")
Line = Mapping[str, Any]
"""A row of the dataset `health`."""


def drift(lines: Sequence[Line]) -> Markup:
    """The columns that moved farthest, and how many there were to look at."""
    columns = [line for line in lines if line["measure"] == EFFECT and math.isfinite(line["value"])]
    if not columns:
        return tag("p", "Nothing is stored of how far columns have drifted.")
    told = "Population stability index of the last seven scoring runs, or days."
    farthest = over_time("Columns that moved farthest", "index", _farthest(columns), told)
    return tag("div", farthest, _counted(lines), class_="figures")


def _farthest(columns: Sequence[Line]) -> dict[str, Series]:
    """By where they are at the end."""
    found: dict[tuple[str, str], list[tuple[dt.datetime, float]]] = {}
    for line in columns:
        found.setdefault((line["source"], line["column"]), []).append((line["as_of"], line["value"]))
    last = max(line["as_of"] for line in columns)
    there = {key: own for key, own in found.items() if own[-1][0] == last}
    ordered = sorted(there or found, key=lambda key: -found[key][-1][1])[:MOST]
    return {_called(*key): found[key] for key in ordered}


def _called(source: str, column: str) -> str:
    return spaced(column) if source == "combined" else f"{spaced(column)} ({source})"


def _counted(lines: Sequence[Line]) -> Markup:
    """How many columns there were to look at."""
    judged = [line for line in lines if line["column"] and line["measure"] == EFFECT]
    known = sorted({line["as_of"] for line in judged if line["severity"] != "not enough data"})
    if not known:
        return tag("p", "What is usual is not known yet, so no column can be said to have drifted.")
    drifted = Counter(line["as_of"] for line in judged if line["severity"] in DRIFTED)
    places = [float(at.toordinal()) for at in known]
    plot = Plot.of(x=span(places), y=(0.0, rounded_up(max(4, *drifted.values(), 0))))
    bars = [plot.bar("candidate", (at.toordinal() - 0.4, at.toordinal() + 0.4), float(drifted[at])) for at in known]
    told = f"Beyond chance and beyond what is usual, which is what counts; {drifted[known[-1]]} at the end."
    drawn = [plot.axes("day", "columns", ticks=ticks(places)), *bars]
    image = picture("drifted-columns", "Columns that drifted", told, drawn)
    return figure(image, "Columns that drifted.", told)
