"""What is known of a made-up trial before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml_pipeline.use_cases.clinical_trials.synthetic import shares, words
from ml_pipeline.use_cases.clinical_trials.synthetic.shares import choose, several

DRIFT = np.datetime64("2019-01-01")
"""Of trials that start on this day or later the mix is another."""
PREFIX = "[synthetic]"
WITHOUT_DAY = 0.16
"""Share of starts of which only the month is given."""
NEWCOMERS = 0.06
"""Share of later trials that study the new condition."""
MEDICINES = ("DRUG", "BIOLOGICAL", "COMBINATION_PRODUCT")
"""Types of intervention that are tested in phases."""
Days = NDArray[np.datetime64]
Lists = dict[str, list[Any]]


class Trial(NamedTuple):
    """None: missing. `interventions` are pairs of type and name, `phases` a list in which NA is one."""

    start_date: str
    title: str
    sponsor: str
    sponsor_class: str
    phases: list[str] | None
    allocation: str | None
    intervention_model: str | None
    purpose: str | None
    masking: str | None
    arms: int | None
    interventions: list[tuple[str, str]] | None
    conditions: list[str]
    criteria: str | None
    sex: str
    minimum_age: str | None
    maximum_age: str | None
    healthy_volunteers: str | None


def trials(rng: np.random.Generator, starts: Days, late: NDArray[np.bool_]) -> list[Trial]:
    """One for each start; those that are `late` have the mix after the drift."""
    columns = {**_design(rng, late), **_sponsors(rng, len(late)), **_eligibility(rng, len(late))}
    columns |= {"start_date": _dates(rng, starts), "conditions": _conditions(rng, late)}
    columns["title"] = [
        f"{PREFIX} {found[0][1]} in {' and '.join(conditions)}"
        for found, conditions in zip(columns["interventions"], columns["conditions"], strict=True)
    ]
    _forget(rng, columns)
    return [Trial(*row) for row in zip(*(columns[name] for name in Trial._fields), strict=True)]


def start_days(rng: np.random.Generator, count: int) -> Days:
    """More from year to year, in order."""
    years = choose(rng, shares.YEARS, count).astype(np.int64)
    first = (years - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    return np.sort(first + np.floor(365 * rng.random(count)).astype("timedelta64[D]"))


def _dates(rng: np.random.Generator, starts: Days) -> list[str]:
    months = rng.random(len(starts)) < WITHOUT_DAY
    dates: list[str] = np.where(months, starts.astype("datetime64[M]").astype(str), starts.astype(str)).tolist()
    return dates


def _design(rng: np.random.Generator, late: NDArray[np.bool_]) -> Lists:
    rows = len(late)
    model = choose(rng, shares.MODELS, rows)
    single = model == "SINGLE_GROUP"
    types = _types(rng, late)
    medicine = np.array([found[0] in MEDICINES for found in types], bool)
    phase = np.where(medicine, choose(rng, shares.DRUG_PHASES, rows), choose(rng, shares.OTHER_PHASES, rows))
    masking = np.where(late, choose(rng, shares.LATE_MASKINGS, rows), choose(rng, shares.MASKINGS, rows))
    return {
        "intervention_model": model.tolist(),
        "allocation": np.where(single, "NA", choose(rng, shares.ALLOCATIONS, rows)).tolist(),
        "arms": np.where(single, choose(rng, shares.SINGLE_ARMS, rows), choose(rng, shares.ARMS, rows)).tolist(),
        "masking": np.where(single, choose(rng, shares.SINGLE_MASKINGS, rows), masking).tolist(),
        "purpose": choose(rng, shares.PURPOSES, rows).tolist(),
        "phases": [level.split("/") for level in phase.tolist()],
        "interventions": _named(rng, types),
    }


def _types(rng: np.random.Generator, late: NDArray[np.bool_]) -> list[list[str]]:
    """Of one to four interventions; most of a trial's are of one type."""
    rows, most = len(late), max(shares.INTERVENTIONS)
    drawn = np.stack(
        [np.where(late, choose(rng, shares.LATE_TYPES, rows), choose(rng, shares.TYPES, rows)) for _ in range(most)],
        axis=1,
    )
    types = np.where(rng.random((rows, most)) < 0.6, drawn[:, :1], drawn).tolist()
    counts = choose(rng, shares.INTERVENTIONS, rows).tolist()
    return [found[:count] for found, count in zip(types, counts, strict=True)]


def _named(rng: np.random.Generator, types: list[list[str]]) -> list[list[tuple[str, str]]]:
    numbers = np.floor(900 * rng.random((len(types), max(shares.INTERVENTIONS)))).astype(np.int64) + 100
    return [
        [(kind, f"{words.INTERVENTION_NAMES[kind]} {number}") for kind, number in zip(found, row, strict=False)]
        for found, row in zip(types, numbers.tolist(), strict=True)
    ]


def _sponsors(rng: np.random.Generator, rows: int) -> Lists:
    """A long tail in each class: the square makes the first names the most frequent."""
    classes, ranks = choose(rng, shares.SPONSOR_CLASSES, rows).tolist(), np.square(rng.random(rows)).tolist()
    names = [words.SPONSORS[group] for group in classes]
    return {
        "sponsor_class": classes,
        "sponsor": [found[int(rank * len(found))] for found, rank in zip(names, ranks, strict=True)],
    }


def _conditions(rng: np.random.Generator, late: NDArray[np.bool_]) -> list[list[str]]:
    weights = 1 / (np.arange(len(words.CONDITIONS)) + 5.0)
    found = several(rng, words.CONDITIONS, shares.CONDITIONS, np.tile(weights, (len(late), 1)))
    new = (late & (rng.random(len(late)) < NEWCOMERS)).tolist()
    return [[words.NEW_CONDITION, *names[1:]] if is_new else names for names, is_new in zip(found, new, strict=True)]


def _eligibility(rng: np.random.Generator, rows: int) -> Lists:
    wanted, unwanted = _phrases(rng, words.INCLUSION, rows), _phrases(rng, words.EXCLUSION, rows)
    return {
        "criteria": [_criteria(*both) for both in zip(wanted, unwanted, strict=True)],
        "sex": choose(rng, shares.SEXES, rows).tolist(),
        "minimum_age": choose(rng, shares.MINIMUM_AGES, rows).tolist(),
        "maximum_age": choose(rng, shares.MAXIMUM_AGES, rows).tolist(),
        "healthy_volunteers": choose(rng, shares.HEALTHY, rows).tolist(),
    }


def _phrases(rng: np.random.Generator, phrases: Iterable[str], rows: int) -> list[list[str]]:
    known = list(phrases)
    return several(rng, known, shares.PHRASES, np.ones((rows, len(known))))


def _criteria(wanted: list[str], unwanted: list[str]) -> str:
    lines = ["Inclusion Criteria:", "", *(f"* {phrase}" for phrase in wanted), ""]
    return "\n".join([*lines, "Exclusion Criteria:", "", *(f"* {phrase}" for phrase in unwanted)])


def _forget(rng: np.random.Generator, columns: Lists) -> None:
    for names, share in shares.MISSING.items():
        gone = (rng.random(len(columns["title"])) < share).tolist()
        for name in names:
            columns[name] = [None if lost else value for value, lost in zip(columns[name], gone, strict=True)]
