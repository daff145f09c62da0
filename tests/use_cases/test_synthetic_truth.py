"""The planted truth of made-up trials: outcomes follow it, and a regression finds it again."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ml_pipeline.use_cases.clinical_trials.synthetic import EFFECTS, probability, studies

pytestmark = pytest.mark.long

Study = dict[str, Any]
FINAL = {"COMPLETED": 1.0, "TERMINATED": 0.0, "WITHDRAWN": 0.0, "SUSPENDED": 0.0}
ONE_LEVEL = ("phase", "allocation", "masking", "purpose", "sponsor_class")


class Sample(NamedTuple):
    """Interventional trials that have ended, their outcomes, and the planted probabilities."""

    trials: list[Study]
    completed: NDArray[np.float64]
    chances: NDArray[np.float64]


@pytest.fixture(scope="module")
def ended() -> Sample:
    made = [study for study in studies(20_000) if not np.isnan(probability(study))]
    final = [study for study in made if _status(study["protocolSection"]) in FINAL]
    trials = [study["protocolSection"] for study in final]
    completed = np.array([FINAL[_status(trial)] for trial in trials])
    return Sample(trials, completed, np.array([probability(study) for study in final]))


def _status(trial: Study) -> str:
    return str(trial["statusModule"]["overallStatus"])


def _design(trial: Study, name: str) -> Any:
    return trial["designModule"].get("designInfo", {}).get(name)


def _levels(trial: Study) -> dict[str, Any]:
    """Read without the generator's own functions."""
    return {
        "phase": "/".join(trial["designModule"].get("phases", [])),
        "allocation": _design(trial, "allocation"),
        "masking": (_design(trial, "maskingInfo") or {}).get("masking"),
        "purpose": _design(trial, "primaryPurpose"),
        "sponsor_class": trial["sponsorCollaboratorsModule"]["leadSponsor"]["class"],
    }


def _types(trial: Study) -> set[str]:
    return {entry["type"] for entry in trial.get("armsInterventionsModule", {}).get("interventions", [])}


def test_effects_of_the_levels_of_a_column_add_up_to_nothing() -> None:
    assert [sum(EFFECTS[column].values()) for column in ONE_LEVEL] == pytest.approx([0] * len(ONE_LEVEL))
    assert len(EFFECTS["phrases"]) == 20
    assert all(-1 <= effect <= 1 for effects in EFFECTS.values() for effect in effects.values())


def test_outcomes_come_as_often_as_their_probabilities_say(ended: Sample) -> None:
    for tenth in np.array_split(np.argsort(ended.chances), 10):
        expected, spread = (
            ended.chances[tenth].mean(),
            np.sqrt(np.sum(ended.chances[tenth] * (1 - ended.chances[tenth]))),
        )
        assert abs(ended.completed[tenth].mean() - expected) < 3.5 * spread / len(tenth)
    assert 0.77 < roc_auc_score(ended.completed, ended.chances) < 0.84


def test_whether_a_trial_has_ended_says_nothing_about_how(ended: Sample) -> None:
    """The sum of outcome minus probability is within chance for trials known early, and for those known late."""
    states = [trial["statusModule"] for trial in ended.trials]
    updates = np.array([state["lastUpdatePostDateStruct"]["date"] for state in states])
    starts = np.array([state["startDateStruct"]["date"] for state in states], "datetime64[D]")
    lasted = updates.astype("datetime64[D]") - starts
    for part in (lasted < np.median(lasted), updates < "2015", updates > "2023"):
        chances = ended.chances[part]
        assert abs(np.sum(ended.completed[part] - chances)) < 3.5 * np.sqrt(np.sum(chances * (1 - chances)))


def _contrasts(found: list[str | None], levels: list[str]) -> NDArray[np.float64]:
    """A column for each level but the last, whose effect is minus the sum of theirs; nothing where none is known."""
    codes = [levels.index(level) if level in levels else len(levels) for level in found]
    table = np.vstack([np.eye(len(levels) - 1), -np.ones(len(levels) - 1), np.zeros(len(levels) - 1)])
    return np.asarray(table[codes])


def _years(age: str | None) -> float:
    number, unit = (age or "0 Years").split()
    return int(number) / {"Years": 1, "Months": 12, "Weeks": 52.18, "Day": 365.25}[unit]


def _columns(trials: list[Study]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Explicit columns, the first of ones, and the effects planted on them."""
    parts, effects = [np.ones((len(trials), 1))], [np.nan]
    for column in ONE_LEVEL:
        parts.append(_contrasts([_levels(trial)[column] for trial in trials], list(EFFECTS[column])))
        effects += list(EFFECTS[column].values())[:-1]
    ages = [_years(trial["eligibilityModule"].get("minimumAge")) for trial in trials]
    arms = [len(trial.get("armsInterventionsModule", {}).get("armGroups", [])) for trial in trials]
    parts.append(np.array([arms, ages], np.float64).T)
    effects += [EFFECTS["arms"]["each"], EFFECTS["minimum_age"]["year"]]
    for column, present in (("intervention_types", _types), ("conditions", _conditions), ("phrases", _phrases)):
        parts.append(np.array([[level in there for level in EFFECTS[column]] for there in map(present, trials)], float))
        effects += EFFECTS[column].values()
    return np.hstack(parts), np.array(effects)


def _conditions(trial: Study) -> set[str]:
    return {name.lower() for name in trial["conditionsModule"]["conditions"]}


def _phrases(trial: Study) -> set[str]:
    return set(re.findall(r"(?m)^\* (.+)$", trial["eligibilityModule"].get("eligibilityCriteria", "")))


def _fitted(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients of largest likelihood and their standard errors, by Newton's method."""
    theta = np.zeros(x.shape[1])
    for _ in range(12):
        chances = 1 / (1 + np.exp(-x @ theta))
        information = (x.T * (chances * (1 - chances))) @ x
        theta = theta + np.linalg.solve(information, x.T @ (y - chances))
    return theta, np.sqrt(np.diag(np.linalg.inv(information)))


def test_a_regression_finds_the_planted_effects_again(ended: Sample) -> None:
    x, planted = _columns(ended.trials)
    theta, errors = _fitted(x, ended.completed)
    off = np.abs(theta - planted)[1:] / errors[1:]
    assert len(off) > 60
    assert np.mean(off < 1.96) >= 0.88
    assert off.max() < 4.5
    assert np.median(errors[1:]) < 0.2
