"""How pages say ages, runs, verdicts and severities."""

from __future__ import annotations

import datetime as dt

from ml_pipeline.monitoring.severity import Severity
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, plural
from ml_pipeline.report.words import moment
from ml_pipeline_airflow.models_page.runs import Run, dag_of

MARKS: dict[str, tuple[str, str]] = {
    "ok": ("✓", "good"),
    "success": ("✓", "good"),
    "failed": ("✗", "bad"),
    "act": ("✗", "bad"),
    "watch": ("!", "bad"),
    "not comparable": ("?", "bad"),
}
"""A sign beside each word, as colour alone tells not everybody."""
VERDICTS = {True: ("✓", "passed", "good"), False: ("✗", "rejected", "bad"), None: ("…", "not evaluated", "soft")}


def state(word: Severity | str) -> Markup:
    """A severity, or the state of a run."""
    sign, kind = MARKS.get(word, ("…", "soft"))
    return tag("span", f"{sign} {word}", class_=f"state {kind}")


def verdict(passed: bool | None) -> Markup:
    """What the gate said of a model."""
    sign, word, kind = VERDICTS[passed]
    return tag("span", f"{sign} {word}", class_=f"state {kind}")


def age(text: str) -> Markup:
    """The day of a moment, and how long ago it was."""
    if not text:
        return join([NONE])
    at = dt.datetime.fromisoformat(text)
    return tag("time", f"{moment(text)[:10]}, {ago(dt.datetime.now(dt.UTC) - at)}", datetime=text)


def aged(text: str) -> Markup:
    """The same in a cell, on two lines."""
    at = dt.datetime.fromisoformat(text)
    return join([tag("time", moment(text)[:10], datetime=text), tag("small", ago(dt.datetime.now(dt.UTC) - at))])


def ago(span: dt.timedelta) -> str:
    """
    >>> ago(dt.timedelta(hours=30)), ago(dt.timedelta(seconds=61))
    ('1 day ago', '1 minute ago')
    """
    for noun, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if (count := int(span.total_seconds() // length)) > 0:
            return f"{plural(count, noun)} ago"
    return "just now"


def lasting(seconds: float) -> str:
    """
    >>> lasting(42.2), lasting(600.0), lasting(36000.0)
    ('42 s', '10 min', '10 h')
    """
    for sign, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {sign}"
    return f"{seconds:,.0f} s"


def role(champion: bool) -> Markup:
    """Whether a model is champion."""
    return tag("span", "champion", class_="state good") if champion else Markup()


def run(own: Run, use_case: str) -> Markup:
    """A run in a line: which DAG, how it went, when."""
    return join([_dag(own, use_case), " ", state(own.state), tag("small", age(own.after.isoformat()))])


def run_cells(own: Run, use_case: str) -> list[Markup]:
    """A run in cells: which DAG, how it went, when it was due, how long it took."""
    took = NONE if own.seconds is None else lasting(own.seconds)
    return [_dag(own, use_case), state(own.state), aged(own.after.isoformat()), join([took])]


def _dag(own: Run, use_case: str) -> Markup:
    return tag("code", dag_of(use_case, own.mode).rpartition(".")[2])
