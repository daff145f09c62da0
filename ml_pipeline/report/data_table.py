"""The data of scoring runs: every source beside what is usual, and what the last runs saw."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ml_pipeline.monitoring.health import Reading, readings
from ml_pipeline.monitoring.measure import lasting
from ml_pipeline.monitoring.visit import COMBINED, Visit
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, number, percent
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import spaced

MOST_RUNS = 31
MEASURED = {
    "age_hours": "Age of the newest record",
    "rows": "Rows",
    "set_aside": "Set aside",
    "duplicates": "Key came before",
    "later": "Dated later",
    "unmatched": "No match",
}
"""Columns of the table, by measure."""


def section(visits: Sequence[Visit]) -> Markup:
    """What the last scoring run saw of each source, then the last runs."""
    if not visits:
        return tag("p", "No scoring run was ordered within the window.")
    return join([_sources(visits), _runs(visits)])


def _sources(visits: Sequence[Visit]) -> Markup:
    """Every measure of a source in the last run, and what is usual of it."""
    newest = [own for own in readings(visits) if own.as_of == visits[-1].as_of]
    sources = dict.fromkeys(own.source for own in newest if own.source != COMBINED)
    names = [name for name in MEASURED if any(own.measure == name and own.source != COMBINED for own in newest)]
    by_place = {(own.source, own.measure): own for own in newest}
    rows = [Row(spaced(source), [_measured(by_place.get((source, name))) for name in names]) for source in sources]
    columns = ("Source", *(MEASURED[name] for name in names))
    return table(f"Sources in the scoring run as of {visits[-1].when}, and what is usual", columns, rows)


def _measured(own: Reading | None) -> Markup:
    """The value, marked where it is not as usual, and the usual one below it."""
    if own is None:
        return join([NONE])
    shown = {"rows": number, "age_hours": lasting}.get(own.measure, percent)
    value = tag("strong", shown(own.value)) if own.severity == "watch" else shown(own.value)
    return join([value] if math.isnan(own.usual) else [value, tag("small", f"usually {shown(own.usual)}")])


def _runs(visits: Sequence[Visit]) -> Markup:
    """What the last scoring runs saw, the newest first."""
    newest = list(reversed(visits))[:MOST_RUNS]
    measured = dict.fromkeys(place for visit in newest for place in visit.measures)
    sources = [source for source, name in measured if name == "unmatched"]
    rows = [
        Row(
            tag("time", visit.when),
            [
                f"{visit.measures[COMBINED, 'rows']:,.0f}",
                f"{sum(aside for aside, _ in visit.set_aside.values()):,}",
                *(percent(visit.measures.get((source, "unmatched"))) for source in sources),
            ],
        )
        for visit in newest
    ]
    columns = ("Scored as of", "Rows", "Set aside", *(f"No match in {spaced(source)}" for source in sources))
    return table("The last scoring runs, the newest first", columns, rows)
