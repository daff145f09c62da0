"""How well the model ranks within slices of the test rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ml_pipeline.config import Evaluate
from ml_pipeline.models.evaluation import SMALLER_IS_BETTER
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import decimal, interval, percent, plural
from ml_pipeline.report.table import Row, Whiskers, table
from ml_pipeline.report.words import meaning, some, spaced

MOST = 40
"""Slices of one column that are drawn, the weakest ones."""
COLUMNS = ("Slice", "", "Value", "95 % interval", "Rows", "Observed", "Predicted")


class Slice(NamedTuple):
    """What was found in the rows of one value of a column."""

    column: str
    word: str
    found: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Column and value."""
        return f"{spaced(self.column)} {self.word}"

    def judged(self, metric: str = "roc_auc") -> bool:
        """Whether there are rows enough, of both classes, to measure a metric."""
        return metric in self.found and not math.isnan(self.found[metric]["value"])

    def note(self) -> str:
        """Why it is not judged."""
        return str(self.found.get("note", "all rows of one class"))


def slices(found: Mapping[str, Any]) -> list[Slice]:
    """All slices of metrics.yaml."""
    return [
        Slice(column, word, own) for column, words in found.get("slices", {}).items() for word, own in words.items()
    ]


def section(found: Mapping[str, Any], rules: Evaluate) -> Markup:
    """A row with dot and whisker for each slice, the weakest first, then the ones too small to judge."""
    known = slices(found)
    judged = [each for each in known if each.judged()]
    unjudged = [each for each in known if not each.judged()]
    if not known:
        return tag("p", "No slices were asked for: evaluate.slices in pipeline.yaml names columns to look closer at.")
    return join([_drawn(judged, found["metrics"], rules) if judged else "", _listed(unjudged) if unjudged else ""])


def below_floor(found: Mapping[str, Any], rules: Evaluate) -> list[str]:
    """Sentences on the slices whose whole interval lies beyond their floor."""
    return [
        _outside(each, metric, floor)
        for metric, floor in rules.slice_floors.items()
        for each in slices(found)
        if each.judged(metric) and _beyond(metric, each.found[metric], floor)
    ]


def weaker(found: Mapping[str, Any]) -> list[str]:
    """The names of slices that are ranked clearly worse than all rows together: the intervals do not meet."""
    overall = found.get("metrics", {}).get("roc_auc", {"low": math.nan})["low"]
    return [each.name for each in slices(found) if each.judged() and each.found["roc_auc"]["high"] < overall]


def _beyond(metric: str, own: Mapping[str, float], floor: float) -> bool:
    return own["low"] > floor if metric in SMALLER_IS_BETTER else own["high"] < floor


def _outside(each: Slice, metric: str, floor: float) -> str:
    own = each.found[metric]
    measured = f"{meaning(metric).name} {decimal(own['value'])} ({interval(own)})"
    return f"{each.name}: {measured}, outside the floor of {floor:g}."


def _drawn(judged: list[Slice], overall: Mapping[str, Any], rules: Evaluate) -> Markup:
    guides = {"guide": overall["roc_auc"]["value"]}
    if "roc_auc" in rules.slice_floors:
        guides["floor"] = rules.slice_floors["roc_auc"]
    shown = {column: _weakest(judged, column) for column in dict.fromkeys(each.column for each in judged)}
    ends = [each.found["roc_auc"][end] for group in shown.values() for each in group for end in ("low", "high")]
    axis = Whiskers.over(ends, {kind: value for kind, value in guides.items() if not math.isnan(value)})
    rows = [row for column, group in shown.items() for row in _group(column, group, axis)]
    foot = ("", axis.axis(), *[""] * (len(COLUMNS) - 2))
    left = len(judged) - sum(map(len, shown.values()))
    return join(
        [
            tag("p", "The weakest come first. The dotted line is the value of all rows", _floor(guides), "."),
            table("Area under the ROC curve by slice, with 95 % intervals", COLUMNS, rows, foot),
            tag("p", f"{plural(left, 'stronger slice')} left out: only {MOST} of a column are shown.") if left else "",
        ]
    )


def _floor(guides: Mapping[str, float]) -> str:
    return f", the dashed line the floor of slices, {guides['floor']:g}" if "floor" in guides else ""


def _weakest(judged: list[Slice], column: str) -> list[Slice]:
    own = [each for each in judged if each.column == column]
    return sorted(own, key=lambda each: (each.found["roc_auc"]["value"], each.word))[:MOST]


def _group(column: str, group: list[Slice], axis: Whiskers) -> list[Row]:
    return [Row(spaced(column)), *(Row(each.word, _cells(each.found, axis)) for each in group)]


def _cells(found: Mapping[str, Any], axis: Whiskers) -> list[str]:
    auc = found["roc_auc"]
    picture = axis.cell(auc["value"], (auc["low"], auc["high"]))
    rates = [percent(found["positive_rate"]), percent(found["mean_prediction"])]
    return [picture, decimal(auc["value"]), interval(auc), f"{found['rows']:,}", *rates]


def _listed(unjudged: list[Slice]) -> Markup:
    notes: dict[str, list[str]] = {}
    for each in unjudged:
        notes.setdefault(each.note(), []).append(f"{each.name} ({plural(each.found['rows'], 'row')})")
    entries = (tag("li", tag("b", f"{note}: "), ", ".join(some(names, MOST))) for note, names in notes.items())
    return join([tag("p", "Not judged:"), tag("ul", *entries)])
