"""How far days are from all days together where nothing is wrong: weather changes, and so do the rows of one day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ml_pipeline.data.profile import Profile
from ml_pipeline.monitoring.comparison import Comparison

SHARE = 0.95
"""Of the days; one in twenty is farther away than what is usual."""
LEAST = 10
"""Days that it takes to say what is usual."""


def usual(reference: Profile, days: Sequence[Profile], least: int) -> dict[tuple[str, str], float]:
    """By column and effect what all but a few days have of it; of fewer than `LEAST` days nothing.

    Rows of one day resemble one another, so a day, or a week, is farther from a reference than as many rows drawn from
    it would be, and no formula for independent rows tells how far.

    Args:
        reference: What the days are compared with.
        days: Of as many days, or weeks, as are to be compared later.
        least: Days with fewer rows of a column are left out.
    """
    found = defaultdict(list)
    for day in days:
        for name, own in reference.columns.items():
            current = day.columns.get(name)
            if current and current.rows >= least and type(current) is type(own):
                for effect in Comparison.of(own, current).effects:
                    found[name, effect.name].append(effect.value)
    return {
        name: float(np.quantile(values, SHARE, method="higher"))
        for name, values in found.items()
        if len(values) >= LEAST
    }
