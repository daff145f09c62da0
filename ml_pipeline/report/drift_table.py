"""How far things drifted, column by column."""

from __future__ import annotations

from collections.abc import Mapping

from ml_pipeline.monitoring.drift import Drift
from ml_pipeline.monitoring.effects import Effect
from ml_pipeline.monitoring.severity import SEVERITIES
from ml_pipeline.monitoring.visit import COMBINED
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, decimal
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import spaced

DRIFTED = {
    COMBINED: "What was scored last beside the training rows",
    "predictions": "What was predicted last beside the predictions of the test rows",
    "truth": "Labels that came true last beside those of the training rows",
}


def section(drifts: Mapping[str, Drift]) -> Markup:
    """Of what models predict from, of what they predict and of what became true."""
    if COMBINED in drifts:
        return join(_drift(DRIFTED[name], own) for name, own in drifts.items())
    nothing = tag("p", "There is no champion yet, or nothing is stored of what it predicted from.")
    return join([nothing, *(_drift(DRIFTED[name], own) for name, own in drifts.items())])


def _drift(caption: str, drift: Drift) -> Markup:
    """Every column with its effects, the most urgent first."""
    if not drift.columns:
        return tag("p", f"{caption}: {drift.sentence}")
    ordered = sorted(drift.columns, key=lambda own: -SEVERITIES.index(own.severity))
    names = list(dict.fromkeys(name for own in ordered for name in own.effects))
    rows = [
        Row(spaced(own.column), [own.severity, *(_effect(own.effects.get(name)) for name in names)]) for own in ordered
    ]
    columns = ("Column", "State", *map(spaced, names))
    return table(f"{caption}; effects beyond chance and what is usual count", columns, rows)


def _effect(effect: Effect | None) -> str:
    return decimal(effect.value, 3) if effect else NONE
