"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import percent
from ml_pipeline.report.table import Row, table

MOST = 12
"""Classes that are shown, the most frequent ones."""


def confusion_table(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Markup:
    """A row for each true class, a column for each that was the most probable one."""
    counts = np.array(confusion)
    shown = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:MOST])
    rows = [Row(classes[true], _cells(counts[true], int(true), shown)) for true in shown]
    columns = ("True class", *(classes[each] for each in shown), "Rows", "Told right")
    left = len(classes) - len(shown)
    told = "Test rows of each true class, counted by the class that was the most probable one for the candidate."
    return join(
        [
            tag("p", told),
            table("True classes and what they were taken for", columns, rows),
            tag("p", f"The {left:,} rarest of {len(classes):,} classes are left out; metrics.yaml has them.")
            if left
            else "",
        ]
    )


def _cells(counts: np.ndarray, true: int, shown: np.ndarray) -> list[str]:
    rows = int(counts.sum())
    cells = [tag("b", f"{counts[each]:,}") if each == true else f"{counts[each]:,}" for each in shown]
    return [*cells, f"{rows:,}", percent(counts[true] / rows if rows else None)]
