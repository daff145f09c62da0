"""The arithmetic: what is known of a trial before it starts, the model of completion, and what people get to see."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from ml_pipeline.chain import Chain, Preparation, chain, check, keep, only
from ml_pipeline.columns import Category, Floats, Mask, Times
from ml_pipeline.models import HashedText, Impute, Levels, LogisticRegression, ManyLevels, Standardise
from ml_pipeline.use_cases.clinical_trials.dates import moments

ENDED = {"COMPLETED": 1.0, "TERMINATED": 0.0, "WITHDRAWN": 0.0, "SUSPENDED": 0.0}
"""Final states of a trial -> whether it completed."""
PHASES = frozenset({"NA", "EARLY_PHASE1", "PHASE1", "PHASE2", "PHASE3", "PHASE4"})
AGE = re.compile(r"(\d+(?:\.\d+)?) (Year|Month|Week|Day|Hour|Minute)s?")
PER_YEAR = {"Year": 1.0, "Month": 12.0, "Week": 365.25 / 7, "Day": 365.25, "Hour": 365.25 * 24, "Minute": 365.25 * 1440}
BANDS = ("unlikely", "doubtful", "likely", "very likely")
BAND_BORDERS = (0.5, 0.75, 0.9)
"""Probabilities of completion at which the next band begins."""
FEATURES = (
    "phase", "allocation", "intervention_model", "purpose", "masking", "sponsor", "sponsor_class", "sex",
    "healthy_volunteers", "arms", "minimum_age", "maximum_age", "intervention_types", "conditions", "criteria",
)  # fmt: skip


def trial_id(nct_id: Category) -> Category:
    """The registry's number."""
    return nct_id


@check("the trial has no id")
def identified(trial_id: Category) -> Mask:
    """A record can be empty altogether."""
    return trial_id.codes >= 0


@only
def interventional(study_type: Category) -> Mask:
    """Of observational studies and expanded access nothing is asked."""
    return _is(study_type, {"INTERVENTIONAL"})


def start(start_date: Category) -> Times:
    """The planned or actual start; of a month without a day, its first."""
    return moments(start_date)


@check("the start cannot be read")
def dated(start: Times) -> Mask:
    """Without it there is no moment to predict at."""
    return ~np.isnat(start)


def phase(phases: Category) -> Category:
    """A trial can be in two phases at once: `PHASE1/PHASE2`."""
    return _reworded(phases, "/".join)


@check("there is no such phase")
def existing_phase(phases: Category) -> Mask:
    """NA is a phase; none at all is not known."""
    return _is(phases, {word for word in phases.vocabulary if PHASES.issuperset(_entries(word))}) | (phases.codes < 0)


def arms(arm_labels: Category) -> Floats:
    """How many groups there are; not known where none is described."""
    counts = [float(len(_entries(word))) for word in arm_labels.vocabulary]
    return np.asarray(arm_labels.map(counts, np.nan), np.float64)


def minimum_age(minimum_age: Category) -> Floats:
    """In years."""
    return _years(minimum_age)


def maximum_age(maximum_age: Category) -> Floats:
    """In years; not known where there is no limit."""
    return _years(maximum_age)


def conditions(conditions: Category) -> Category:
    """One a line, whatever their case."""
    return _reworded(conditions, lambda found: "\n".join(found).lower())


def intervention_types(intervention_types: Category) -> Category:
    """One a line."""
    return _reworded(intervention_types, "\n".join)


def completes(status: Category) -> Floats:
    """1 for a trial that completed, 0 for one that was stopped or never began; not known before it has ended."""
    return np.asarray(status.map([ENDED.get(word, np.nan) for word in status.vocabulary], np.nan), np.float64)


class PrepareRegistry(Preparation):
    """What the registry knew of a trial before it started; of how it ended only the label stays."""

    steps = chain(
        trial_id, identified, interventional, start, dated, existing_phase, phase, arms, minimum_age, maximum_age,
        conditions, intervention_types, completes,
        keep("trial_id", "former_ids", "start", "title", *FEATURES, "completes"),
    )  # fmt: skip


class PreparePrivate(Preparation):
    """The same of the sponsor's own trials; how they end nobody knows yet."""

    steps = chain(
        identified, start, dated, existing_phase, phase, minimum_age, maximum_age, conditions, intervention_types,
        keep("trial_id", "start", "title", *FEATURES),
    )  # fmt: skip


class CompletionModel(Chain):
    """A logistic regression on design, sponsor, conditions, interventions and the words of the eligibility criteria."""

    features = (
        Impute("arms", "minimum_age", "maximum_age"),
        Levels(
            "phase", "allocation", "intervention_model", "purpose", "masking", "sponsor", "sponsor_class", "sex",
            "healthy_volunteers", rare=20,
        ),
        ManyLevels("intervention_types", "conditions", rare=20),
        HashedText("criteria", buckets=2048, ngrams=2),
        Standardise(),
    )  # fmt: skip
    estimator = LogisticRegression(ridge=(100.0, 30.0, 10.0))


def probability(prediction: Floats) -> Floats:
    """Of completion, to three digits."""
    return np.round(prediction, 3)


def band(prediction: Floats) -> Category:
    """The probability in a word."""
    return Category(np.searchsorted(BAND_BORDERS, prediction, side="right").astype(np.int32), BANDS)


class Outlook(Preparation):
    """The table that people use, one row per trial."""

    steps = chain(
        probability, band,
        keep(
            "trial_id", "start", "rank", "probability", "band", "title", "sponsor", "speaks_for", "speaks_against",
            "prediction", "model_version",
        ),
    )  # fmt: skip


def _entries(text: str) -> list[str]:
    """The registry lists one a line, the database with bars between."""
    return [entry.strip() for entry in re.split(r"[\n|]", text) if entry.strip()]


def _is(column: Category, words: set[str]) -> Mask:
    return np.asarray(column.map([word in words for word in column.vocabulary], False), bool)


def _reworded(column: Category, made: Callable[[list[str]], str]) -> Category:
    """Another word for each, made of its entries; none of an empty list."""
    words = [made(_entries(word)) or None for word in column.vocabulary]
    whole = Category.of(words)
    return Category(np.append(whole.codes, np.int32(-1))[column.codes], whole.vocabulary)


def _years(ages: Category) -> Floats:
    found = [AGE.fullmatch(word) for word in ages.vocabulary]
    years = [float(age[1]) / PER_YEAR[age[2]] if age else np.nan for age in found]
    return np.asarray(ages.map(years, np.nan), np.float64)
