"""The planted truth: what each feature adds to the log odds of completion, at all times."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from ml_pipeline.use_cases.clinical_trials.synthetic.words import CONDITION_EFFECTS, EXCLUSION, INCLUSION

BIAS = 2.85
EFFECTS: dict[str, dict[str, float]] = {
    "phase": {
        "NA": 0.35, "EARLY_PHASE1": -0.3, "PHASE1": 0.5, "PHASE1/PHASE2": -0.6, "PHASE2": -0.5, "PHASE2/PHASE3": -0.25,
        "PHASE3": 0.2, "PHASE4": 0.6,
    },
    "allocation": {"RANDOMIZED": 0.2, "NON_RANDOMIZED": 0.1, "NA": -0.3},
    "masking": {"NONE": -0.3, "SINGLE": 0.05, "DOUBLE": 0.2, "TRIPLE": 0.15, "QUADRUPLE": -0.1},
    "purpose": {
        "TREATMENT": -0.4, "PREVENTION": 0.4, "DIAGNOSTIC": -0.3, "SUPPORTIVE_CARE": -0.1, "BASIC_SCIENCE": 0.5,
        "HEALTH_SERVICES_RESEARCH": 0.3, "OTHER": 0.1, "DEVICE_FEASIBILITY": -0.5,
    },
    "sponsor_class": {
        "OTHER": 0.1, "INDUSTRY": -0.3, "OTHER_GOV": 0.6, "NETWORK": 0.3, "NIH": 0.2, "INDIV": -0.9,
    },
    "arms": {"each": -0.15},
    "minimum_age": {"year": 0.01},
    "intervention_types": {
        "DRUG": -0.3, "DEVICE": -0.2, "BEHAVIORAL": 0.6, "PROCEDURE": 0.2, "RADIATION": -0.6, "BIOLOGICAL": 0.3,
        "DIETARY_SUPPLEMENT": 0.5,
    },
    "conditions": {name.lower(): effect for name, effect in CONDITION_EFFECTS.items()},
    "phrases": {phrase: effect for phrase, effect in (INCLUSION | EXCLUSION).items() if effect},
}  # fmt: skip
"""Column -> level -> effect. Those of a column with one level a trial add up to 0, and what is missing adds nothing.

Of `arms` an effect for each, of `minimum_age` for each year; of `intervention_types`, `conditions` and `phrases` (lines
of the criteria) for each that is present, whatever its number.
"""
YEAR = {"Years": 1.0, "Months": 12.0, "Weeks": 365.25 / 7, "Day": 365.25}
"""How many of a unit of age there are in a year."""


def probability(study: dict[str, Any]) -> float:
    """That the trial completes, by its content alone; NaN for a record that is bad or of no interventional trial."""
    protocol = study["protocolSection"]
    asked = protocol and protocol["designModule"]["studyType"] == "INTERVENTIONAL"
    return chance(study) if asked and _readable(protocol) else math.nan


def chance(study: dict[str, Any]) -> float:
    """That any study completes, observational ones included, of which nothing is asked."""
    return 1 / (1 + math.exp(-(BIAS + sum(_effects(study["protocolSection"])))))


def _readable(protocol: dict[str, Any]) -> bool:
    """Whether it has an id, a start and a phase that exists, or none."""
    start = protocol["statusModule"]["startDateStruct"]["date"]
    try:
        dt.date.fromisoformat(start if len(start) > len("2019-02") else f"{start}-01")
    except ValueError:
        return False
    return "nctId" in protocol["identificationModule"] and _phase(protocol) in {"", *EFFECTS["phase"]}


def _effects(protocol: dict[str, Any]) -> list[float]:
    groups = protocol.get("armsInterventionsModule", {})
    eligibility = protocol["eligibilityModule"]
    sets = {
        "intervention_types": {entry["type"] for entry in groups.get("interventions", ())},
        "conditions": {name.lower() for name in protocol["conditionsModule"]["conditions"]},
        "phrases": {line.removeprefix("* ") for line in eligibility.get("eligibilityCriteria", "").splitlines()},
    }
    return [
        len(groups.get("armGroups", ())) * EFFECTS["arms"]["each"],
        _age(eligibility.get("minimumAge")) * EFFECTS["minimum_age"]["year"],
        *(EFFECTS[column].get(level, 0.0) for column, level in _levels(protocol).items()),
        *(EFFECTS[column].get(level, 0.0) for column, found in sets.items() for level in sorted(found)),
    ]


def _levels(protocol: dict[str, Any]) -> dict[str, str]:
    design = protocol["designModule"].get("designInfo", {})
    return {
        "phase": _phase(protocol),
        "allocation": design.get("allocation", ""),
        "masking": design.get("maskingInfo", {}).get("masking", ""),
        "purpose": design.get("primaryPurpose", ""),
        "sponsor_class": protocol["sponsorCollaboratorsModule"]["leadSponsor"]["class"],
    }


def _phase(protocol: dict[str, Any]) -> str:
    return "/".join(protocol["designModule"].get("phases", ()))


def _age(text: str | None) -> float:
    """In years, 0 where it is missing."""
    number, _, unit = (text or "0 Years").partition(" ")
    return float(number) / YEAR[unit]
