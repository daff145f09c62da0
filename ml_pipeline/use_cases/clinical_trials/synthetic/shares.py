"""How frequent each level is, much as in the real registry, and draws from that.

All is drawn from uniform numbers by comparison and arithmetic alone, so it comes out the same on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Level = TypeVar("Level", str, int, str | None)

YEARS = {year: 1.0 + 0.08 * (year - 2005) for year in range(2005, 2026)}
SPONSOR_CLASSES = {
    "OTHER": 0.56, "INDUSTRY": 0.35, "OTHER_GOV": 0.03, "NETWORK": 0.02, "NIH": 0.025, "INDIV": 0.015,
}  # fmt: skip
TYPES = {
    "DRUG": 0.46, "DEVICE": 0.13, "OTHER": 0.1, "BEHAVIORAL": 0.1, "PROCEDURE": 0.08, "BIOLOGICAL": 0.06,
    "RADIATION": 0.03, "DIETARY_SUPPLEMENT": 0.02, "DIAGNOSTIC_TEST": 0.01, "COMBINATION_PRODUCT": 0.01,
}  # fmt: skip
LATE_TYPES = TYPES | {"DRUG": 0.26, "DEVICE": 0.24, "OTHER": 0.16, "BEHAVIORAL": 0.15}
INTERVENTIONS = {1: 0.43, 2: 0.41, 3: 0.1, 4: 0.06}
DRUG_PHASES = {
    "NA": 0.04, "EARLY_PHASE1": 0.03, "PHASE1": 0.16, "PHASE1/PHASE2": 0.08, "PHASE2": 0.31, "PHASE2/PHASE3": 0.05,
    "PHASE3": 0.23, "PHASE4": 0.1,
}  # fmt: skip
OTHER_PHASES = DRUG_PHASES | {"NA": 16.0}
MODELS = {"PARALLEL": 0.62, "SINGLE_GROUP": 0.3, "SEQUENTIAL": 0.035, "CROSSOVER": 0.035, "FACTORIAL": 0.01}
ALLOCATIONS = {"RANDOMIZED": 0.89, "NON_RANDOMIZED": 0.11}
ARMS = {2: 0.78, 3: 0.12, 4: 0.06, 5: 0.02, 6: 0.01, 8: 0.01}
SINGLE_ARMS = {1: 0.92, 2: 0.06, 3: 0.02}
MASKINGS = {"NONE": 0.36, "SINGLE": 0.2, "DOUBLE": 0.2, "TRIPLE": 0.09, "QUADRUPLE": 0.15}
LATE_MASKINGS = MASKINGS | {"NONE": 1.0}
SINGLE_MASKINGS = MASKINGS | {"NONE": 8.0}
PURPOSES = {
    "TREATMENT": 0.76, "PREVENTION": 0.08, "DIAGNOSTIC": 0.035, "SUPPORTIVE_CARE": 0.03, "BASIC_SCIENCE": 0.025,
    "HEALTH_SERVICES_RESEARCH": 0.025, "OTHER": 0.025, "DEVICE_FEASIBILITY": 0.02,
}  # fmt: skip
SEXES = {"ALL": 0.9, "FEMALE": 0.07, "MALE": 0.03}
MINIMUM_AGES: dict[str | None, float] = {
    "18 Years": 0.68, "20 Years": 0.05, "19 Years": 0.04, "22 Years": 0.03, "30 Years": 0.03, "40 Years": 0.02,
    "50 Years": 0.02, "65 Years": 0.02, "12 Years": 0.02, "6 Years": 0.02, "2 Years": 0.015, "6 Months": 0.015,
    "6 Weeks": 0.01, "1 Day": 0.01, None: 0.02,
}  # fmt: skip
MAXIMUM_AGES: dict[str | None, float] = {
    None: 0.44, "75 Years": 0.14, "65 Years": 0.13, "80 Years": 0.1, "70 Years": 0.09, "85 Years": 0.06,
    "99 Years": 0.04,
}  # fmt: skip
HEALTHY = {"false": 0.89, "true": 0.11}
CONDITIONS = {1: 0.69, 2: 0.2, 3: 0.08, 4: 0.03}
PHRASES = {3: 0.15, 4: 0.25, 5: 0.3, 6: 0.2, 7: 0.1}
"""Of inclusion, and of exclusion."""
STOPPED = {"TERMINATED": 0.66, "WITHDRAWN": 0.3, "SUSPENDED": 0.04}
RESULTS = {"COMPLETED": 0.14, "TERMINATED": 0.25}
"""State -> share of trials whose results are posted."""
MISSING = {
    ("allocation", "intervention_model", "purpose", "masking"): 0.004,
    ("arms", "interventions"): 0.012,
    ("allocation",): 0.008,
    ("masking",): 0.01,
    ("purpose",): 0.006,
    ("phases",): 0.005,
    ("criteria",): 0.004,
    ("healthy_volunteers",): 0.01,
}
"""Columns that are missing together -> how often."""
QUARTERS = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
DURATIONS = (60, 400, 800, 1400, 2600, 4000)
"""Days from start to end at the `QUARTERS`."""
ENROLMENTS = (6, 30, 60, 150, 800, 6000)
"""Planned participants at the `QUARTERS`."""


def choose(rng: np.random.Generator, shares: Mapping[Level, float], rows: int) -> NDArray[Any]:
    """A level for each row; shares need not add up to 1."""
    borders = np.cumsum(list(shares.values()))
    levels = np.array(list(shares), object)
    return np.asarray(levels[np.searchsorted(borders / borders[-1], rng.random(rows), side="right")])


def between(rng: np.random.Generator, least: float, most: float, rows: int) -> NDArray[Any]:
    """Numbers from `least` up to, not including, `most`."""
    return least + (most - least) * rng.random(rows)


def quantity(rng: np.random.Generator, values: Sequence[int], rows: int) -> NDArray[Any]:
    """Whole numbers with these `values` at the `QUARTERS`."""
    return np.interp(rng.random(rows), QUARTERS, values).astype(np.int64)


def several(
    rng: np.random.Generator, names: Sequence[str], numbers: Mapping[int, float], weights: NDArray[Any]
) -> list[list[str]]:
    """For each row of `weights` a number of different names; the greater a name's weight, the more often."""
    order = np.argsort(rng.random(weights.shape) / weights, axis=1, kind="stable")
    counts = choose(rng, numbers, len(weights)).tolist()
    return [[names[at] for at in row[:count]] for row, count in zip(order.tolist(), counts, strict=True)]
