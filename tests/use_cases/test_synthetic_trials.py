"""Made-up records of the registry and of a sponsor: their shape, what is planted in them, and what they give away."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_pipeline.use_cases.clinical_trials.synthetic import (
    BAD_KINDS,
    DRIFT,
    EFFECTS,
    NEW_CONDITION,
    probability,
    sponsor_trials,
    studies,
)

pytestmark = pytest.mark.long

Study = dict[str, Any]
COUNT = 20_000
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "ctgov"
FINAL = ("COMPLETED", "TERMINATED", "WITHDRAWN", "SUSPENDED")
UNDER_WAY = ("RECRUITING", "NOT_YET_RECRUITING", "ACTIVE_NOT_RECRUITING")
DATE = {"date": "", "type": ""}
EVERYTHING: Study = {
    "protocolSection": {
        "identificationModule": {
            "nctId": "", "nctIdAliases": [""], "orgStudyIdInfo": {"id": ""}, "briefTitle": "",
            "organization": {"fullName": "", "class": ""},
        },
        "statusModule": {
            "overallStatus": "", "whyStopped": "", "startDateStruct": DATE, "completionDateStruct": DATE,
            "studyFirstSubmitDate": "", "lastUpdatePostDateStruct": DATE,
        },
        "sponsorCollaboratorsModule": {"leadSponsor": {"name": "", "class": ""}},
        "descriptionModule": {"briefSummary": ""},
        "conditionsModule": {"conditions": [""]},
        "designModule": {
            "studyType": "", "phases": [""], "patientRegistry": False, "enrollmentInfo": {"count": 0, "type": ""},
            "designInfo": {
                "allocation": "", "interventionModel": "", "primaryPurpose": "", "maskingInfo": {"masking": ""},
                "observationalModel": "", "timePerspective": "",
            },
        },
        "armsInterventionsModule": {
            "armGroups": [{"label": "", "type": ""}], "interventions": [{"name": "", "type": ""}],
        },
        "eligibilityModule": {
            "eligibilityCriteria": "", "sex": "", "minimumAge": "", "maximumAge": "", "healthyVolunteers": False,
        },
    },
    "derivedSection": {"conditionBrowseModule": {"meshes": [{"id": "", "term": ""}]}},
    "hasResults": False,
}  # fmt: skip
"""All that a study can hold, each of its type."""
ROW = {
    "trial_id", "title", "sponsor", "sponsor_class", "start_date", "phases", "allocation", "intervention_model",
    "purpose", "masking", "conditions", "intervention_types", "arms", "criteria", "sex", "minimum_age", "maximum_age",
    "healthy_volunteers", "updated_at",
}  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> list[Study]:
    return list(studies(COUNT))


@pytest.fixture(scope="module")
def trials(registry: list[Study]) -> list[Study]:
    """The protocols of good interventional ones."""
    return [study["protocolSection"] for study in registry if not np.isnan(probability(study))]


def _status(trial: Study) -> str:
    return str(trial["statusModule"]["overallStatus"])


def _start(trial: Study) -> str:
    return str(trial["statusModule"]["startDateStruct"]["date"])


def _types(trial: Study) -> set[str]:
    return {entry["type"] for entry in trial.get("armsInterventionsModule", {}).get("interventions", [])}


def _masking(trial: Study) -> str | None:
    masking: str | None = trial["designModule"].get("designInfo", {}).get("maskingInfo", {}).get("masking")
    return masking


def _paths(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _paths(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner, f"{path}[]")
    else:
        yield path, type(value).__name__


def _share(rows: Iterable[bool]) -> float:
    return float(np.mean(list(rows)))


def test_the_same_arguments_give_the_same_bytes() -> None:
    first, again, other = (json.dumps(list(studies(300, seed))) for seed in (7, 7, 8))
    assert first == again != other
    assert json.dumps(sponsor_trials(50)) == json.dumps(sponsor_trials(50)) != json.dumps(sponsor_trials(50, seed=12))


def test_there_are_as_many_as_asked_for_in_the_order_of_their_ids(registry: list[Study]) -> None:
    ids = [study["protocolSection"].get("identificationModule", {}).get("nctId") for study in registry]
    known = [nct_id for nct_id in ids if nct_id]
    assert len(ids) == COUNT
    assert known == sorted(known)
    assert all(re.fullmatch(r"NCT9\d{7}", nct_id) for nct_id in known)
    assert list(studies(0)) == []
    assert len(list(studies(1))) == 1


def test_all_fields_are_as_written_down(registry: list[Study]) -> None:
    assert {found for study in registry for found in _paths(study)} == set(_paths(EVERYTHING))
    modules = EVERYTHING["protocolSection"].keys() - {"armsInterventionsModule"}
    assert all(study["protocolSection"].keys() >= modules for study in registry if _kind(study) != "empty")


@pytest.mark.skipif(not REAL.is_dir(), reason="the captured records are not on this machine")
def test_all_fields_are_those_of_real_records() -> None:
    real = {
        found
        for file in REAL.glob("*.json")
        for study in json.loads(file.read_text("utf-8"))
        for found in _paths(study)
    }
    assert set(_paths(EVERYTHING)) <= real


def test_whoever_sees_a_study_sees_that_it_is_synthetic(trials: list[Study]) -> None:
    for trial in trials:
        names = trial["identificationModule"]
        assert names["briefTitle"].startswith("[synthetic] ")
        assert names["organization"]["fullName"].startswith("[synthetic] ")
        assert "synthetic" in trial["descriptionModule"]["briefSummary"]


def test_shares_are_much_as_in_the_registry(registry: list[Study], trials: list[Study]) -> None:
    types = [study["protocolSection"]["designModule"]["studyType"] for study in registry if study["protocolSection"]]
    assert _share(kind == "INTERVENTIONAL" for kind in types) == pytest.approx(0.85, abs=0.01)
    states = Counter(map(_status, trials))
    final = sum(states[level] for level in FINAL)
    shares = {"COMPLETED": 0.86, "TERMINATED": 0.093, "WITHDRAWN": 0.042, "SUSPENDED": 0.006}
    assert {level: states[level] / final for level in FINAL} == pytest.approx(shares, abs=0.012)
    assert all(states[level] > 200 for level in (*UNDER_WAY, "UNKNOWN"))
    assert {"/".join(trial["designModule"].get("phases", [])) for trial in trials} == {"", *EFFECTS["phase"]}
    assert len({trial["sponsorCollaboratorsModule"]["leadSponsor"]["name"] for trial in trials}) > 300


def test_starts_are_days_or_months_and_grow_in_number(trials: list[Study]) -> None:
    starts = [_start(trial) for trial in trials]
    assert all(re.fullmatch(r"20\d\d-[01]\d(-[0-3]\d)?", start) for start in starts)
    assert _share(len(start) == len("2019-02") for start in starts) == pytest.approx(0.16, abs=0.01)
    years = Counter(int(start[:4]) for start in starts)
    assert (min(years), max(years)) == (2005, 2025)
    assert years[2024] > 1.8 * years[2006]


def test_criteria_are_lists_of_six_to_fourteen_phrases(trials: list[Study]) -> None:
    texts = [trial["eligibilityModule"].get("eligibilityCriteria") for trial in trials]
    form = re.compile(r"Inclusion Criteria:\n\n(\* [^\n]+\n)+\nExclusion Criteria:\n\n(\* [^\n]+\n?)+")
    assert all(form.fullmatch(text) for text in texts if text)
    assert {text.count("* ") for text in texts if text} <= set(range(6, 15))
    assert 0.9 < _share(text is not None for text in texts) < 1
    assert len({line for text in texts if text for line in text.splitlines() if line.startswith("* ")}) == 60


def _kind(study: Study) -> str:
    protocol = study["protocolSection"]
    if not protocol:
        return "empty"
    if "nctId" not in protocol["identificationModule"]:
        return "no id"
    if _start(protocol) in {"2019-13", "soon"}:
        return "unreadable start"
    return "no such phase" if protocol["designModule"].get("phases") == ["PHASE9"] else ""


def test_bad_records_are_as_many_of_each_kind_as_asked_for(registry: list[Study]) -> None:
    kinds = Counter(map(_kind, registry))
    assert {kind: kinds[kind] for kind in BAD_KINDS} == dict.fromkeys(BAD_KINDS, 20)
    assert all(np.isnan(probability(study)) for study in registry if _kind(study))
    found = [
        study["protocolSection"]["designModule"]["studyType"] for study in registry if _kind(study) not in ("", "empty")
    ]
    assert set(found) == {"INTERVENTIONAL"}
    assert sum(bool(_kind(study)) for study in studies(1000, bad=0.0)) == 0
    assert sum(bool(_kind(study)) for study in studies(1000, bad=0.1)) == 100


def test_some_studies_come_again_later_under_the_same_or_a_new_id(registry: list[Study]) -> None:
    protocols = [study["protocolSection"] for study in registry if not _kind(study)]
    again, renamed = 0, 0
    for before, after in pairwise(protocols):
        old, new = before["identificationModule"], after["identificationModule"]
        if old["nctId"] in (new["nctId"], *new.get("nctIdAliases", [])):
            again, renamed = again + (old["nctId"] == new["nctId"]), renamed + (old["nctId"] != new["nctId"])
            assert _updated(after) > _updated(before)
            assert _status(after) == _status(before)
    assert (again, renamed) == (40, 40)
    assert renamed == sum("nctIdAliases" in trial["identificationModule"] for trial in protocols)


def _updated(trial: Study) -> str:
    return str(trial["statusModule"]["lastUpdatePostDateStruct"]["date"])


def _mix(trials: Iterable[Study]) -> dict[str, float]:
    found = list(trials)
    return {
        "drug": _share("DRUG" in _types(trial) for trial in found),
        "device": _share("DEVICE" in _types(trial) for trial in found),
        "open": _share(_masking(trial) == "NONE" for trial in found),
        "new": _share(NEW_CONDITION in trial["conditionsModule"]["conditions"] for trial in found),
    }


def test_the_mix_drifts(trials: list[Study]) -> None:
    border = str(DRIFT)[:7]
    early, late = (_mix(trial for trial in trials if (_start(trial) >= border) == after) for after in (False, True))
    assert early["drug"] - late["drug"] > 0.12
    assert late["device"] - early["device"] > 0.08
    assert late["open"] - early["open"] > 0.12
    assert early["new"] == 0
    assert 0.04 < late["new"] < 0.08


def test_without_drift_the_mix_stays() -> None:
    steady = [study["protocolSection"] for study in studies(COUNT // 2, drift=False, bad=0.0)]
    border = str(DRIFT)[:7]
    early, late = (_mix(trial for trial in steady if (_start(trial) >= border) == after) for after in (False, True))
    assert early == pytest.approx(late, abs=0.04)
    assert late["new"] == 0


def test_what_is_known_only_with_the_outcome_gives_it_away(trials: list[Study]) -> None:
    for trial in trials:
        state, status, enrolled = _status(trial), trial["statusModule"], trial["designModule"]["enrollmentInfo"]
        if state in FINAL:
            assert ("whyStopped" in status) == (state != "COMPLETED")
            assert (enrolled["type"] == "ACTUAL") == (state != "SUSPENDED")
            assert (enrolled["count"] == 0) == (state == "WITHDRAWN")
            assert status["completionDateStruct"]["date"] < _updated(trial)


def test_results_are_posted_of_some_trials_that_ran(registry: list[Study]) -> None:
    posted = [study["protocolSection"] for study in registry if study["hasResults"] and _kind(study) != "empty"]
    assert {_status(protocol) for protocol in posted} == {"COMPLETED", "TERMINATED"}


def test_unfinished_trials_were_updated_lately(trials: list[Study]) -> None:
    for trial in trials:
        if _status(trial) in UNDER_WAY:
            assert _updated(trial) > "2025-02"
            assert trial["designModule"]["enrollmentInfo"]["type"] == "ESTIMATED"
            assert "whyStopped" not in trial["statusModule"]


def test_a_sponsors_own_trials_are_rows_of_the_year_ahead() -> None:
    first = dt.date(2024, 7, 1)
    rows = sponsor_trials(400, first=first)
    assert all(row.keys() == ROW for row in rows)
    assert [row["trial_id"] for row in rows[:2]] == ["PH-0001", "PH-0002"]
    starts = {row["start_date"] for row in rows}
    assert "2024-07" <= min(starts) < "2024-08"
    assert "2025-06" < max(starts) < "2025-07"
    assert all(dt.datetime.fromisoformat(row["updated_at"]) < dt.datetime(2024, 7, 1, tzinfo=dt.UTC) for row in rows)
    assert {row["healthy_volunteers"] for row in rows} >= {"true", "false"}
    assert {"PHASE2|PHASE3", "NA"} <= {row["phases"] for row in rows}
    assert any(row["arms"] is None for row in rows)
    assert any(NEW_CONDITION in row["conditions"] for row in rows)
