"""Runs of made-up records, of the registry and of a sponsor."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_pipeline.use_cases.clinical_trials.synthetic.course import courses
from ml_pipeline.use_cases.clinical_trials.synthetic.planted import BAD_KINDS, plant, planted
from ml_pipeline.use_cases.clinical_trials.synthetic.records import Study, followed, internal, registered
from ml_pipeline.use_cases.clinical_trials.synthetic.trial import DRIFT, Days, start_days, trials
from ml_pipeline.use_cases.clinical_trials.synthetic.truth import chance

CHUNK = 5000
"""Even, so that a study and the one before it that it repeats are drawn together."""
INTERVENTIONAL = 0.85
MESHED = 0.72
"""Share of studies whose conditions the registry found among its own terms."""
FIRST = dt.date(2026, 1, 1)


def studies(count: int, seed: int = 7, drift: bool = True, bad: float = 0.004) -> Iterator[Study]:
    """Studies as the items of `studies` in the registry's API v2, in order of their ids.

    Args:
        count: How many, bad and repeated ones included.
        seed: Another one makes other studies.
        drift: Whether the mix changes with trials that start in 2019.
        bad: Share of bad records, below a half.
    """
    rng = _rng(seed, 0)
    starts, plants = start_days(rng, count), planted(rng, count, bad)
    faulty = np.array([plants.get(place) in BAD_KINDS for place in range(count)], bool)
    late = (starts >= DRIFT) & drift
    for first in range(0, count, CHUNK):
        part = slice(first, first + CHUNK)
        made = _chunk(first, _rng(seed, first + 1), starts[part], late[part], faulty[part])
        before: Study = {}
        for place, study in enumerate(made, first):
            before = plant(plants[place], study, before) if place in plants else study
            yield before


def sponsor_trials(count: int, seed: int = 11, first: dt.date = FIRST) -> list[dict[str, Any]]:
    """Rows of a sponsor's trials that start within the year after `first` and of which nobody knows the end.

    They are drawn as those of the registry after the drift; all were updated within the half year before `first`.
    """
    rng = _rng(seed, 0)
    starts = np.sort(np.datetime64(first, "D") + np.floor(365 * rng.random(count)).astype("timedelta64[D]"))
    updates = np.datetime64(first, "s") - np.floor(180 * 86_400 * rng.random(count)).astype("timedelta64[s]") - 1
    made = trials(rng, starts, np.ones(count, bool))
    return [
        internal(trial, number, f"{updated}+00:00")
        for number, (trial, updated) in enumerate(zip(made, updates.astype(str).tolist(), strict=True), 1)
    ]


def _chunk(
    first: int, rng: np.random.Generator, starts: Days, late: NDArray[np.bool_], faulty: NDArray[np.bool_]
) -> list[Study]:
    """Neighbours in the order of their ids; a faulty one is interventional, so that somebody minds."""
    rows = len(starts)
    interventional = faulty | (rng.random(rows) < INTERVENTIONAL)
    begun = [
        registered(trial, first + number, kind)
        for number, (trial, kind) in enumerate(
            zip(trials(rng, starts, late), interventional.tolist(), strict=True), start=1
        )
    ]
    ways = courses(rng, starts, np.array([chance(study) for study in begun]))
    meshed = (rng.random(rows) < MESHED).tolist()
    return [followed(*all_of_it) for all_of_it in zip(begun, ways, meshed, strict=True)]


def _rng(seed: int, part: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, part]))
