"""A made-up trial as the registry's API gives it, and as a row of its sponsor's database."""

from __future__ import annotations

from typing import Any

from ml_pipeline.use_cases.clinical_trials.synthetic.course import Course
from ml_pipeline.use_cases.clinical_trials.synthetic.trial import PREFIX, Trial

Study = dict[str, Any]
SUMMARY = "This study is synthetic: a program made it up to try software with. It takes no participants."


def registered(trial: Trial, number: int, interventional: bool) -> Study:
    """The study without what became of it; `number` is that of its id, in a range which no real one reaches yet."""
    organization = {"fullName": f"{PREFIX} {trial.sponsor}", "class": trial.sponsor_class}
    protocol = {
        "identificationModule": {
            "nctId": f"NCT9{number:07d}",
            "orgStudyIdInfo": {"id": f"SYN-{number}"},
            "organization": organization,
            "briefTitle": trial.title,
        },
        "statusModule": {"startDateStruct": {"date": trial.start_date}},
        "sponsorCollaboratorsModule": {"leadSponsor": {"name": trial.sponsor, "class": trial.sponsor_class}},
        "descriptionModule": {"briefSummary": SUMMARY},
        "conditionsModule": {"conditions": trial.conditions},
        "designModule": _interventional(trial) if interventional else _observational(),
        "armsInterventionsModule": _groups(trial),
        "eligibilityModule": _eligibility(trial),
    }
    return {"protocolSection": _given(protocol), "derivedSection": {}, "hasResults": False}


def followed(study: Study, course: Course, meshed: bool) -> Study:
    """The study with what became of it, and its conditions as the registry's own terms if it found them."""
    protocol = study["protocolSection"]
    status = {
        "overallStatus": course.status,
        "whyStopped": course.why_stopped,
        "startDateStruct": protocol["statusModule"]["startDateStruct"] | {"type": course.started_type},
        "completionDateStruct": {"date": course.completion, "type": course.completion_type},
        "studyFirstSubmitDate": course.submitted,
        "lastUpdatePostDateStruct": {"date": course.updated, "type": "ACTUAL"},
    }
    enrolment = {"enrollmentInfo": {"count": course.enrolment, "type": course.enrolment_type}}
    protocol |= {"statusModule": _given(status), "designModule": protocol["designModule"] | enrolment}
    derived = _meshes(protocol["conditionsModule"]["conditions"]) if meshed else {}
    return {"protocolSection": protocol, "derivedSection": derived, "hasResults": course.results}


def internal(trial: Trial, number: int, updated_at: str) -> dict[str, Any]:
    """The row; lists are texts with bars between."""
    types = [kind for kind, _ in trial.interventions] if trial.interventions else []
    lists = {"phases": trial.phases, "conditions": trial.conditions, "intervention_types": types}
    kept = {name: value for name, value in trial._asdict().items() if name != "interventions"}
    joined = {name: "|".join(entries or ()) or None for name, entries in lists.items()}
    return {"trial_id": f"PH-{number:04d}", **kept, **joined, "updated_at": updated_at}


def _interventional(trial: Trial) -> dict[str, Any]:
    design = {
        "allocation": trial.allocation,
        "interventionModel": trial.intervention_model,
        "primaryPurpose": trial.purpose,
        "maskingInfo": _given({"masking": trial.masking}),
    }
    return _given({"studyType": "INTERVENTIONAL", "phases": trial.phases, "designInfo": _given(design)})


def _observational() -> dict[str, Any]:
    design = {"observationalModel": "COHORT", "timePerspective": "PROSPECTIVE"}
    return {"studyType": "OBSERVATIONAL", "patientRegistry": False, "designInfo": design}


def _groups(trial: Trial) -> dict[str, Any]:
    if trial.arms is None or trial.interventions is None:
        return {}
    labels = [f"Group {number}" for number in range(1, trial.arms + 1)]
    arms = [{"label": label, "type": "EXPERIMENTAL"} for label in labels]
    return {"armGroups": arms, "interventions": [{"type": kind, "name": name} for kind, name in trial.interventions]}


def _eligibility(trial: Trial) -> dict[str, Any]:
    healthy = trial.healthy_volunteers
    return _given(
        {
            "eligibilityCriteria": trial.criteria,
            "healthyVolunteers": None if healthy is None else healthy == "true",
            "sex": trial.sex,
            "minimumAge": trial.minimum_age,
            "maximumAge": trial.maximum_age,
        }
    )


def _meshes(conditions: list[str]) -> dict[str, Any]:
    """Numbers of terms come from the letters, so a term has the same everywhere."""
    meshes = [{"id": f"D9{int.from_bytes(name.encode(), 'big') % 99991:05d}", "term": name} for name in conditions]
    return {"conditionBrowseModule": {"meshes": meshes}}


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    """Like the registry, without what is missing or empty."""
    return {name: value for name, value in fields.items() if value is not None and value != {}}
