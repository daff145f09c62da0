"""What becomes of a made-up trial, as far as the registry knows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml_pipeline.use_cases.clinical_trials.synthetic import shares, words
from ml_pipeline.use_cases.clinical_trials.synthetic.shares import between, choose, quantity

LAST_UPDATE = np.datetime64("2025-12-17")
"""Of studies that come but once: a study that comes again is updated two weeks later, and then the year is over."""
UNCLEAR = 0.1
"""Share of ended trials of whose end nobody told the registry."""
Days = NDArray[np.datetime64]


class Course(NamedTuple):
    """Days as yyyy-MM-dd; a quantity or day is ACTUAL or ESTIMATED."""

    status: str
    submitted: str
    started_type: str
    completion: str
    completion_type: str
    updated: str
    enrolment: int
    enrolment_type: str
    why_stopped: str | None
    results: bool


def courses(rng: np.random.Generator, starts: Days, chances: NDArray[np.float64]) -> list[Course]:
    """One for each start and probability of completion. When a trial ends does not depend on how it ends."""
    rows = len(starts)
    submitted = np.minimum(_after(starts, between(rng, -200, 90, rows)), LAST_UPDATE)
    ends = _after(starts, quantity(rng, shares.DURATIONS, rows))
    reported = np.maximum(_after(ends, between(rng, 14, 180, rows)), submitted)
    ended = reported <= LAST_UPDATE
    told = ended & (rng.random(rows) >= UNCLEAR)
    outcome = np.where(rng.random(rows) < chances, "COMPLETED", choose(rng, shares.STOPPED, rows))
    status = np.select([told, ended], [outcome, "UNKNOWN"], _under_way(rng, starts, ends))
    before_end = _after(starts, rng.random(rows) * (ends - starts).astype(np.int64))
    lately = _after(LAST_UPDATE, between(rng, -300, 0, rows))
    updated = np.select([told, ended], [reported, np.maximum(before_end, submitted)], np.maximum(lately, submitted))
    columns: dict[str, NDArray[Any]] = {
        "status": status,
        "submitted": submitted.astype(str),
        "started_type": np.where(status == "NOT_YET_RECRUITING", "ESTIMATED", "ACTUAL"),
        "completion": ends.astype(str),
        "updated": updated.astype(str),
        **_leaks(rng, status),
    }
    return [Course(*row) for row in zip(*(columns[name].tolist() for name in Course._fields), strict=True)]


def _under_way(rng: np.random.Generator, starts: Days, ends: Days) -> NDArray[Any]:
    """Trials that start late in the year have mostly not begun; those past the middle take no more participants."""
    soon = (_after(starts, np.full(len(starts), 120)) > LAST_UPDATE) & (rng.random(len(starts)) < 0.7)
    over_half = LAST_UPDATE - starts > (ends - starts) * 0.6
    return np.select([soon, over_half], ["NOT_YET_RECRUITING", "ACTIVE_NOT_RECRUITING"], "RECRUITING")


def _leaks(rng: np.random.Generator, status: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """What the registry learns only with the outcome."""
    rows = len(status)
    final = np.isin(status, ["COMPLETED", "TERMINATED", "WITHDRAWN"])
    stopped = np.isin(status, list(shares.STOPPED))
    reached = np.select(
        [status == "COMPLETED", status == "TERMINATED", status == "WITHDRAWN"],
        [between(rng, 0.8, 1.05, rows), between(rng, 0.02, 0.6, rows), 0.0],
        1.0,
    )
    kind = np.where(final, "ACTUAL", "ESTIMATED")
    reasons = choose(rng, dict.fromkeys(words.WHY_STOPPED, 1.0), rows)
    reasons[~stopped] = None
    posted = np.array([shares.RESULTS.get(level, 0.0) for level in status.tolist()])
    return {
        "enrolment": np.ceil(quantity(rng, shares.ENROLMENTS, rows) * reached).astype(np.int64),
        "enrolment_type": kind,
        "completion_type": kind,
        "why_stopped": reasons,
        "results": rng.random(rows) < posted,
    }


def _after(days: Days | np.datetime64, number: NDArray[Any]) -> Days:
    return np.asarray(days + np.floor(number).astype("timedelta64[D]"))
