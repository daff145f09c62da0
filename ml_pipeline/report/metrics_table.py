"""The metrics of candidate and champion, and by how much they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_pipeline.models.metric import TARGETS, Metric, better, compared
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, interval, measured
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import meaning


def metrics_table(found: Mapping[str, Any]) -> Markup:
    """A row for each metric; without a champion the candidate alone."""
    candidate, champion = found.get("metrics", {}), found.get("champion_metrics", {})
    if not candidate:
        return tag("p", "This model has not been evaluated yet.")
    if not champion:
        told = "There is no other champion to compare with. Below each value stands its 95 % interval."
        rows = [Row(meaning(name).name, [_value(own)]) for name, own in candidate.items()]
        return join([tag("p", told), table("Metrics on the test rows", ("Metric", "Candidate"), rows), _key(candidate)])
    told = f"The champion is {found['champion']}. Below each value stands its 95 % interval; differences are paired."
    rows = [_compared(name, own, champion[name], found["difference"][name]) for name, own in candidate.items()]
    caption = "Candidate and champion on the same test rows"
    columns = ("Metric", "Candidate", "Champion", "Difference", "Candidate is")
    return join([tag("p", told), table(caption, columns, rows), _key(candidate)])


def _compared(name: str, own: Metric, champion: Metric, difference: Metric) -> Row:
    cells = [_value(own), _value(champion, own), _value(difference, own, sign=True), _judged(name, difference)]
    return Row(meaning(name).name, cells)


def _value(metric: Metric, like: Metric | None = None, sign: bool = False) -> Markup:
    """The value, and its interval below it."""
    return join([measured(metric, like, sign), tag("small", interval(metric, like, sign))])


def _judged(name: str, metric: Metric) -> str:
    """Only an interval that leaves 0 out is a difference."""
    if metric["value"] != metric["value"]:
        return NONE
    return compared(name, metric) or "not clearly different"


def _key(names: Mapping[str, Any]) -> Markup:
    entries = (tag("li", tag("b", meaning(name).name), f" ({name}): {_told(name)}.") for name in names)
    return tag("ul", *entries, class_="small")


def _told(name: str) -> str:
    target = f", and distances from {TARGETS[name]:g} are compared" if name in TARGETS else ""
    return f"{meaning(name).tells or 'see the code'}; {better(name)} is better{target}"
