"""Faults and repeated studies, as a registry has them."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np

from ml_pipeline.use_cases.clinical_trials.synthetic.records import Study

REPEATED = 0.002
"""Share of studies that are an earlier one again, under its id, and as many under a new id."""
UNREADABLE = ("2019-13", "soon")
LATER = dt.timedelta(days=14)


def planted(rng: np.random.Generator, count: int, bad: float) -> dict[int, str]:
    """Place -> what to plant there. Only at odd places, so the study before is whole and in the same chunk."""
    kinds = [BAD_KINDS[at % len(BAD_KINDS)] for at in range(round(count * bad))]
    kinds += [kind for kind in REPEATS for _ in range(round(count * REPEATED))]
    places = np.argsort(rng.random(count // 2), kind="stable") * 2 + 1
    return dict(zip(places.tolist(), kinds, strict=False))


def plant(kind: str, study: Study, before: Study) -> Study:
    """The study spoiled, or the one before it again."""
    if kind in BAD:
        return BAD[kind](study)
    again = _updated(before)
    return _renamed(again, _named(study)["nctId"]) if kind == "renamed" else again


def _empty(study: Study) -> Study:
    return study | {"protocolSection": {}}


def _no_id(study: Study) -> Study:
    del _named(study)["nctId"]
    return study


def _unreadable_start(study: Study) -> Study:
    # Numbers at odd places are all even.
    half = int(_named(study)["nctId"].removeprefix("NCT")) // 2
    study["protocolSection"]["statusModule"]["startDateStruct"]["date"] = UNREADABLE[half % 2]
    return study


def _no_such_phase(study: Study) -> Study:
    study["protocolSection"]["designModule"]["phases"] = ["PHASE9"]
    return study


def _updated(study: Study) -> Study:
    again = copy.deepcopy(study)
    posted = again["protocolSection"]["statusModule"]["lastUpdatePostDateStruct"]
    posted["date"] = str(dt.date.fromisoformat(posted["date"]) + LATER)
    return again


def _renamed(study: Study, nct_id: str) -> Study:
    names = _named(study)
    names |= {"nctId": nct_id, "nctIdAliases": [names["nctId"]]}
    return study


def _named(study: Study) -> dict[str, Any]:
    found: dict[str, Any] = study["protocolSection"]["identificationModule"]
    return found


BAD: dict[str, Callable[[Study], Study]] = {
    "empty": _empty,
    "no id": _no_id,
    "unreadable start": _unreadable_start,
    "no such phase": _no_such_phase,
}
BAD_KINDS = tuple(BAD)
"""What is wrong with a bad record; each as often as the others."""
REPEATS = ("updated", "renamed")
