"""How well the model predicts within slices of the test rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ml_pipeline.config import Evaluate
from ml_pipeline.models.evaluation import JUDGES
from ml_pipeline.models.metric import better, beyond, bound, known
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import interval, measured, number, percent, plural
from ml_pipeline.report.table import Row, Whiskers, table
from ml_pipeline.report.words import meaning, some, spaced

MOST = 40
"""Slices of one column that are drawn, the weakest ones."""
COLUMNS = ("Slice", "", "Value", "95 % interval", "Rows")


class Slice(NamedTuple):
    """What was found in the rows of one value of a column."""

    column: str
    word: str
    found: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Column and value."""
        return f"{spaced(self.column)} {self.word}"

    def judged(self, metric: str) -> bool:
        """Whether there are rows enough, and labels that differ, to measure a metric."""
        return known(metric, self.found)

    def note(self) -> str:
        """Why it is not judged."""
        return str(self.found.get("note", "all rows of one class"))


def slices(found: Mapping[str, Any]) -> list[Slice]:
    """All slices of metrics.yaml."""
    return [
        Slice(column, word, own) for column, words in found.get("slices", {}).items() for word, own in words.items()
    ]


def decides(found: Mapping[str, Any]) -> str:
    """The metric by which slices are compared; metrics.yaml of old speaks of probabilities only."""
    return JUDGES[found.get("predicts", "probability")].decides


def unjudged(found: Mapping[str, Any]) -> list[Slice]:
    """Those of which that metric is not known."""
    return [each for each in slices(found) if not each.judged(decides(found))]


def section(found: Mapping[str, Any], rules: Evaluate) -> Markup:
    """A row with dot and whisker for each slice, the weakest first, then the ones too small to judge."""
    all_of_them, left = slices(found), unjudged(found)
    if not all_of_them:
        return tag("p", "No slices were asked for: evaluate.slices in pipeline.yaml names columns to look closer at.")
    return join([_drawn(found, rules) if len(left) < len(all_of_them) else "", _listed(left) if left else ""])


def below_floor(found: Mapping[str, Any], rules: Evaluate) -> list[str]:
    """Sentences on the slices whose whole interval lies beyond their floor."""
    return [
        _outside(each, metric, floor)
        for metric, floor in rules.slice_floors.items()
        for each in slices(found)
        if each.judged(metric) and beyond(metric, each.found[metric], floor)
    ]


def weaker(found: Mapping[str, Any]) -> list[str]:
    """The names of slices that are predicted clearly worse than all rows together: the intervals do not meet."""
    metric = decides(found)
    overall = found.get("metrics", {}).get(metric, {"low": math.nan, "high": math.nan})
    worst = overall["low" if better(metric) == "larger" else "high"]
    return [each.name for each in slices(found) if each.judged(metric) and beyond(metric, each.found[metric], worst)]


def _outside(each: Slice, metric: str, floor: float) -> str:
    own = each.found[metric]
    told = f"{meaning(metric).name} {measured(own)} ({interval(own)})"
    return f"{each.name}: {told}, outside the floor of {bound(metric, floor)}."


def _drawn(found: Mapping[str, Any], rules: Evaluate) -> Markup:
    metric, classes = decides(found), found.get("classes", ())
    judged = [each for each in slices(found) if each.judged(metric)]
    shown = {column: _weakest(judged, column, metric) for column in dict.fromkeys(each.column for each in judged)}
    guides = _guides(found["metrics"][metric]["value"], rules.slice_floors.get(metric, math.nan))
    ends = [each.found[metric][end] for group in shown.values() for each in group for end in ("low", "high")]
    axis = Whiskers.over(ends, guides)
    columns = (*COLUMNS, *_labels(judged[0].found, classes))
    rows: list[Row] = []
    for column, group in shown.items():
        rows += [Row(spaced(column)), *(Row(each.word, _cells(each.found, metric, axis, classes)) for each in group)]
    caption = f"{meaning(metric).name} by slice, with 95 % intervals"
    left = len(judged) - sum(map(len, shown.values()))
    return join(
        [
            tag("p", "The weakest come first. The dotted line is the value of all rows", _floor(guides), "."),
            table(caption, columns, rows, ("", axis.axis(), *[""] * (len(columns) - 2))),
            tag("p", f"{plural(left, 'stronger slice')} left out: only {MOST} of a column are shown.") if left else "",
        ]
    )


def _guides(overall: float, floor: float) -> dict[str, float]:
    return {kind: value for kind, value in (("guide", overall), ("floor", floor)) if not math.isnan(value)}


def _floor(guides: Mapping[str, float]) -> str:
    return f", the dashed line the floor of slices, {guides['floor']:g}" if "floor" in guides else ""


def _weakest(judged: list[Slice], column: str, metric: str) -> list[Slice]:
    sign = 1.0 if better(metric) == "larger" else -1.0
    own = [each for each in judged if each.column == column]
    return sorted(own, key=lambda each: (sign * each.found[metric]["value"], each.word))[:MOST]


def _cells(found: Mapping[str, Any], metric: str, axis: Whiskers, classes: Sequence[str]) -> list[str]:
    own = found[metric]
    picture = axis.cell(own["value"], (own["low"], own["high"]))
    return [picture, measured(own), interval(own), f"{found['rows']:,}", *_labels(found, classes).values()]


def _labels(found: Mapping[str, Any], classes: Sequence[str]) -> dict[str, str]:
    """What the labels of a slice are like, by the heading of a column."""
    if "positive_rate" in found:
        return {"Observed": percent(found["positive_rate"]), "Predicted": percent(found["mean_prediction"])}
    if "mean_label" in found:
        return {"Mean label": number(found["mean_label"]), "Mean prediction": number(found["mean_prediction"])}
    share, name = max(zip(found["shares"], classes, strict=True), key=lambda each: each[0])
    return {"Most frequent": name, "Its share": percent(share)}


def _listed(unjudged: list[Slice]) -> Markup:
    notes: dict[str, list[str]] = {}
    for each in unjudged:
        notes.setdefault(each.note(), []).append(f"{each.name} ({plural(each.found['rows'], 'row')})")
    entries = (tag("li", tag("b", f"{note}: "), ", ".join(some(names, MOST))) for note, names in notes.items())
    return join([tag("p", "Not judged:"), tag("ul", *entries)])
