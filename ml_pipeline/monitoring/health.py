"""Whether the data of scoring runs are as they use to be: how many rows, how old, how many twice, how many matched."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from ml_pipeline.config import SEVERAL
from ml_pipeline.monitoring.measure import MEASURES
from ml_pipeline.monitoring.schema_change import changes
from ml_pipeline.monitoring.severity import Finding, Severity
from ml_pipeline.monitoring.visit import Visit, called

USUAL = 5
"""Earlier runs from which on it is known what is usual."""
NEAR = 0.5
"""Share of what the quarantine may hold from which on it is to be watched."""


class Reading(NamedTuple):
    """A measure of a run beside the runs before it; `usual` is NaN where there are too few of them."""

    as_of: dt.datetime
    source: str
    measure: str
    value: float
    usual: float
    severity: Severity
    sentence: str


def readings(visits: Sequence[Visit]) -> list[Reading]:
    """Every measure of every run, oldest first, each beside the runs before it."""
    return [_reading(visits[:at], own, *place) for at, own in enumerate(visits) for place in own.measures]


def _reading(earlier: Sequence[Visit], own: Visit, source: str, name: str) -> Reading:
    before = [visit.measures[source, name] for visit in earlier if (source, name) in visit.measures]
    value, measure = own.measures[source, name], MEASURES[name]
    if len(before) < USUAL:
        return Reading(own.as_of, source, name, value, np.nan, "not enough data", measure.told(value, before))
    severity: Severity = "watch" if measure.is_off(value, before) else "ok"
    return Reading(own.as_of, source, name, value, median(before), severity, measure.told(value, before))


def health(visits: Sequence[Visit], at_most: float) -> Iterator[Finding]:
    """What there is to say of the newest run beside those before it: to be watched at most.

    Data that are not as usual ask nobody to train again: what was learnt from them would be worse.

    Args:
        visits: Oldest first.
        at_most: The share that may be set aside, as `quarantine.at_most` says.
    """
    if not visits:
        return
    *earlier, last = visits
    yield from _quarantined(last, at_most)
    yield from (change.finding() for change in changes(visits))
    if len(earlier) < USUAL:
        sentence = f"Only {len(earlier)} scoring runs came before that of {last.when}: what is usual is not known yet."
        yield Finding("ok", sentence)
        return
    newest = [own for own in readings(visits) if own.as_of == last.as_of]
    for source in dict.fromkeys(own.source for own in newest):
        yield from _of_source([own for own in newest if own.source == source], last)


def _of_source(newest: Sequence[Reading], last: Visit) -> Iterator[Finding]:
    """A sentence of each measure that is not as usual, and one of the others, save those that are and were 0."""
    source = newest[0].source
    said = f"{called(source)} as of {last.when}"
    for own in newest:
        if own.severity == "watch":
            yield Finding("watch", f"{said}: {own.sentence}. {MEASURES[own.measure].see.format(source=source)}")
    others = [own.sentence for own in newest if own.severity != "watch" and (own.value or own.usual)]
    yield Finding("ok", f"{said}: {'; '.join(others) or 'as usual'}.")


def _quarantined(last: Visit, at_most: float) -> Iterator[Finding]:
    for step, (aside, rows) in last.set_aside.items():
        if aside >= SEVERAL and aside / rows > NEAR * at_most:
            told = f"{step} set {aside:,} of {rows:,} records aside ({aside / rows:.2%}, at most {at_most:.2%} may be)"
            yield Finding("watch", f"{told}: `ml-pipeline rejects` shows them.")
