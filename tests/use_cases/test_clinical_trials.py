"""Clinical trials: what the model may know of one, what bad records become, and that planted truth is found again."""

from __future__ import annotations

import copy
import datetime as dt
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_pipeline.artifacts.datasets import Dataset, open_dataset
from ml_pipeline.artifacts.registry import METRICS, Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.chain import Chain, split_rejected
from ml_pipeline.columns import Category, Column, Columns
from ml_pipeline.contract import Mode, StageRequest, StageResult, moment
from ml_pipeline.data import sampling
from ml_pipeline.data.sources import Window
from ml_pipeline.discovery import find
from ml_pipeline.handlers import replay
from ml_pipeline.models import Impute, Levels, LogisticRegression, ManyLevels
from ml_pipeline.realtime.service import ScoringService
from ml_pipeline.run import run
from ml_pipeline.use_cases.clinical_trials import demo, models, seed, sources
from ml_pipeline.use_cases.clinical_trials.synthetic import EFFECTS, studies
from tests.realtime.conftest import Directly

REAL = Path(__file__).parents[3] / "shared/data/ctgov"
AS_OF = moment("2026-01-01", "UTC")
STUDY: dict[str, Any] = {
    "protocolSection": {
        "identificationModule": {"nctId": "NCT00000001", "briefTitle": "A trial"},
        "statusModule": {
            "overallStatus": "COMPLETED",
            "startDateStruct": {"date": "2019-02"},
            "completionDateStruct": {"date": "2020-03-01", "type": "ACTUAL"},
            "primaryCompletionDateStruct": {"date": "2020-02-01", "type": "ACTUAL"},
            "lastUpdatePostDateStruct": {"date": "2020-05-06", "type": "ACTUAL"},
        },
        "sponsorCollaboratorsModule": {"leadSponsor": {"name": "A sponsor", "class": "INDUSTRY"}},
        "conditionsModule": {"conditions": ["Heart Failure", "Anaemia"]},
        "designModule": {
            "studyType": "INTERVENTIONAL",
            "phases": ["PHASE1", "PHASE2"],
            "designInfo": {
                "allocation": "RANDOMIZED", "interventionModel": "PARALLEL", "primaryPurpose": "TREATMENT",
                "maskingInfo": {"masking": "DOUBLE"},
            },
            "enrollmentInfo": {"count": 40, "type": "ACTUAL"},
        },
        "armsInterventionsModule": {
            "armGroups": [{"label": "One"}, {"label": "Two"}],
            "interventions": [{"type": "DRUG", "name": "A"}, {"type": "DRUG", "name": "B"}],
        },
        "eligibilityModule": {
            "eligibilityCriteria": "Inclusion Criteria:\n\n* Adults", "sex": "ALL", "minimumAge": "18 Months",
            "healthyVolunteers": False,
        },
    },
    "hasResults": True,
}  # fmt: skip
PROTOCOL = "protocolSection"


def changed(path: str, value: Any, **more: Any) -> dict[str, Any]:
    """The study with another value; None removes the key."""
    study = copy.deepcopy(STUDY)
    *folders, last = path.split(".")
    place = study
    for folder in folders:
        place = place.setdefault(folder, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return study | more


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., tuple[dict[str, Column], list[str]]]:
    """What becomes of studies, by way of the reader of a folder, and why some are set aside."""

    def through(*records: Any) -> tuple[dict[str, Column], list[str]]:
        (tmp_path / "studies.json").write_text(json.dumps(records))
        raw = sampling.raw(sources.now_health_data, "now_health_data", str(tmp_path)).columns
        good, bad = split_rejected(models.PrepareRegistry.transform(raw))
        return good, bad["rejected"].values() if bad else []

    return through


Prepared = Callable[..., tuple[dict[str, Column], list[str]]]


def plain(columns: Columns) -> dict[str, list[Any]]:
    """Values; what is missing, whatever its kind, is None."""
    listed = {name: own.values() if isinstance(own, Category) else own.tolist() for name, own in columns.items()}
    return {name: [None if value != value else value for value in values] for name, values in listed.items()}


def test_what_is_known_of_a_trial(prepared: Prepared) -> None:
    good, bad = prepared(STUDY)
    assert bad == []
    row = {name: values[0] for name, values in plain(good).items()}
    assert row["trial_id"] == "NCT00000001"
    assert f"{row['start']:%Y-%m-%d}" == "2019-02-01"
    assert (row["phase"], row["arms"], row["minimum_age"]) == ("PHASE1/PHASE2", 2.0, 1.5)
    assert row["maximum_age"] is None
    assert row["conditions"] == "heart failure\nanaemia"
    assert row["intervention_types"] == "DRUG\nDRUG"
    assert (row["healthy_volunteers"], row["completes"]) == ("false", 1.0)


LEAKS = {
    "whyStopped": changed(f"{PROTOCOL}.statusModule.whyStopped", "no participants"),
    "completion": changed(f"{PROTOCOL}.statusModule.completionDateStruct", {"date": "2019-03", "type": "ESTIMATED"}),
    "primary completion": changed(f"{PROTOCOL}.statusModule.primaryCompletionDateStruct", {"date": "2033"}),
    "results": changed("hasResults", False, resultsSection={"adverseEventsModule": {}}),
    "results posted": changed(f"{PROTOCOL}.statusModule.resultsFirstPostDateStruct", {"date": "2021-01-01"}),
    "actual enrolment": changed(f"{PROTOCOL}.designModule.enrollmentInfo", {"count": 0, "type": "ACTUAL"}),
    "verified": changed(f"{PROTOCOL}.statusModule.statusVerifiedDate", "2022-01"),
    "last update": changed(f"{PROTOCOL}.statusModule.lastUpdatePostDateStruct", {"date": "2022-01-02"}),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_what_says_how_a_trial_ended_is_in_no_column_of_it(prepared: Prepared, leak: str) -> None:
    assert LEAKS[leak] != STUDY
    assert plain(prepared(LEAKS[leak])[0]) == plain(prepared(STUDY)[0])


@pytest.mark.parametrize(
    ("status", "label"),
    [("COMPLETED", 1.0), ("TERMINATED", 0.0), ("WITHDRAWN", 0.0), ("SUSPENDED", 0.0), ("UNKNOWN", None)],
)
def test_the_status_is_the_label_and_nothing_else(prepared: Prepared, status: str, label: float | None) -> None:
    good = plain(prepared(changed(f"{PROTOCOL}.statusModule.overallStatus", status))[0])
    (completes,) = good.pop("completes")
    assert completes == label
    before = plain(prepared(STUDY)[0])
    del before["completes"]
    assert good == before
    assert "completes" not in find("clinical_trials").load("models.CompletionModel").inputs()


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({PROTOCOL: {}, "hasResults": False}, "the trial has no id"),
        (changed(f"{PROTOCOL}.identificationModule.nctId", None), "the trial has no id"),
        (changed(f"{PROTOCOL}.statusModule.startDateStruct", {"date": "2019-13"}), "the start cannot be read"),
        (changed(f"{PROTOCOL}.statusModule.startDateStruct", None), "the start cannot be read"),
        (changed(f"{PROTOCOL}.designModule.phases", ["PHASE9"]), "there is no such phase"),
        (changed(f"{PROTOCOL}.designModule.phases", ["PHASE1", "X"]), "there is no such phase"),
    ],
)
def test_a_bad_record_is_set_aside_and_the_others_are_not(prepared: Prepared, record: Any, why: str) -> None:
    good, bad = prepared(STUDY, record)
    assert bad == [why]
    assert good["trial_id"].values() == ["NCT00000001"]


@pytest.mark.parametrize(
    "missing", [name for name in STUDY[PROTOCOL] if name not in ("identificationModule", "statusModule")]
)
def test_a_module_that_is_missing_is_no_fault(prepared: Prepared, missing: str) -> None:
    good, bad = prepared(STUDY, changed(f"{PROTOCOL}.{missing}", None))
    assert bad == []
    assert len(good["trial_id"]) == (1 if missing == "designModule" else 2)  # without it, it is not known to be a trial


def test_a_study_that_only_observes_is_not_in_question(prepared: Prepared) -> None:
    good, bad = prepared(changed(f"{PROTOCOL}.designModule.studyType", "OBSERVATIONAL"), STUDY)
    assert (len(good["trial_id"]), bad) == (1, [])


def test_criteria_of_a_million_characters_are_read_like_any(prepared: Prepared) -> None:
    long = changed(f"{PROTOCOL}.eligibilityModule.eligibilityCriteria", "* no previous surgery\n" * 46_000)
    good, bad = prepared(STUDY, long)
    assert bad == []
    chain = find("clinical_trials").load("models.CompletionModel")
    bags = chain.features[3].transform(good, chain.features[3].parameters)["criteria"]
    assert bags.sizes().tolist()[1] == 5  # no, previous, surgery, and the two pairs


@pytest.mark.parametrize(
    ("text", "years"), [("18 Years", 18.0), ("1 Year", 1.0), ("6 Months", 0.5), ("2 Weeks", 14 / 365.25), ("old", None)]
)
def test_ages_are_texts(text: str, years: float | None) -> None:
    found = models.minimum_age(Category.of([text, None]))
    assert np.isnan(found[1])
    assert np.isnan(found[0]) if years is None else found[0] == pytest.approx(years)


class Trials:
    """Runs on studies in a folder, and the sponsor's own in SQLite."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder / "studies", folder / "store"
        self.folder.mkdir()

    @property
    def room(self) -> Store:
        return Store(str(self.store)).within("clinical_trials")

    def write(self, name: str, records: list[Any]) -> None:
        (self.folder / name).write_text(json.dumps(records))

    def run(self, mode: Mode, *stages: str, as_of: dt.datetime = AS_OF, **parameters: Any) -> dict[str, StageResult]:
        where = {"sources.now_health_data.address": str(self.folder)}
        name = f"{mode}-{as_of:%Y%m%d}"
        request = StageRequest(
            "clinical_trials", mode, stages, name, as_of, str(self.store), parameters=where | parameters
        )
        return {result.stage: result for result in run(request)}

    def dataset(self, results: dict[str, StageResult], name: str) -> Dataset:
        left = [artifact for result in results.values() for artifact in result.artifacts if artifact.name == name]
        return open_dataset(self.room, left[-1].key)


@pytest.fixture
def trials(tmp_path: Path) -> Trials:
    return Trials(tmp_path)


def study(number: int, status: str, updated: str, **more: Any) -> dict[str, Any]:
    record = changed(f"{PROTOCOL}.statusModule.overallStatus", status)
    record[PROTOCOL]["identificationModule"] = {"nctId": f"NCT{number:08d}", **more}
    record[PROTOCOL]["statusModule"]["lastUpdatePostDateStruct"]["date"] = updated
    return record


def labels(trials: Trials, as_of: str) -> dict[str, float]:
    results = trials.run("offline", "ingest", "prepare", "combine", as_of=moment(as_of, "UTC"))
    columns = trials.dataset(results, "combined").columns()
    return dict(zip(columns["trial_id"].values(), np.asarray(columns["completes"]).tolist(), strict=True))


def test_a_trial_counts_as_it_was_last_known_once_it_has_ended(trials: Trials) -> None:
    trials.write(
        "a.json",
        [
            study(1, "SUSPENDED", "2020-01-01"),
            study(2, "RECRUITING", "2020-01-01"),
            study(3, "COMPLETED", "2020-01-01"),
        ],
    )
    trials.write("b.json", [study(1, "COMPLETED", "2020-02-01"), study(2, "WITHDRAWN", "2020-03-01")])
    assert labels(trials, "2020-01-15") == {"NCT00000001": 0.0, "NCT00000003": 1.0}
    assert labels(trials, "2020-02-15") == {"NCT00000001": 1.0, "NCT00000003": 1.0}
    assert labels(trials, "2020-03-15") == {"NCT00000001": 1.0, "NCT00000002": 0.0, "NCT00000003": 1.0}


def test_a_day_s_updates_are_known_when_the_day_is_over(trials: Trials) -> None:
    trials.write("a.json", [study(1, "COMPLETED", "2020-01-01"), study(2, "COMPLETED", "2020-01-02")])
    assert labels(trials, "2020-01-02T00:00:00Z") == {"NCT00000001": 1.0}
    assert labels(trials, "2020-01-03T00:00:00Z") == {"NCT00000001": 1.0, "NCT00000002": 1.0}


def test_a_trial_that_changes_its_id_counts_once(trials: Trials) -> None:
    trials.write("a.json", [study(1, "COMPLETED", "2020-01-01"), study(2, "COMPLETED", "2020-01-01")])
    trials.write("b.json", [study(9, "TERMINATED", "2020-02-01", nctIdAliases=["NCT00000001"])])
    assert labels(trials, "2020-01-15") == {"NCT00000001": 1.0, "NCT00000002": 1.0}
    assert labels(trials, "2020-02-15") == {"NCT00000002": 1.0, "NCT00000009": 0.0}


def test_what_a_pull_asks_of_the_service() -> None:
    whole = sources.asked(Window(None, moment("2024-02-03T02:00:00", "UTC")))
    assert whole["filter.advanced"] == "AREA[StudyType]INTERVENTIONAL AND AREA[LastUpdatePostDate]RANGE[MIN,2024-02-03]"
    since = sources.asked(Window(moment("2024-02-02T02:00:00", "UTC"), moment("2024-02-03T02:00:00", "UTC")))
    assert "RANGE[2024-02-01,2024-02-03]" in since["filter.advanced"]
    assert set(since["fields"].split(",")) >= {"IdentificationModule", "StatusModule", "EligibilityModule"}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """Trained on and scored from synthetic records."""
    trials = Trials(tmp_path_factory.mktemp("planted"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML_PIPELINE_STORE", str(trials.store))
        seed.seed(dt.date.fromisoformat(demo.AS_OF), 60)
    as_of = moment(demo.AS_OF, "UTC")
    address = {"sources.now_health_data.address": "synthetic:4000", "evaluate.replicates": 20}
    for mode in ("offline", "online"):
        trials.run(mode, as_of=as_of, **address)
    return trials


def result(trials: Trials, mode: str, stage: str) -> dict[str, Any]:
    run_id = f"{mode}-{demo.AS_OF.replace('-', '')}"
    found: dict[str, Any] = json.loads(trials.room.get(f"runs/{run_id}/{stage}/result.json"))
    return found


@pytest.mark.records
def test_planted_faults_are_set_aside_and_counted(planted: Trials) -> None:
    found = result(planted, "offline", "prepare.now_health_data")
    assert set(found["quarantined"]) == {"the trial has no id", "the start cannot be read", "there is no such phase"}
    assert found["metrics"]["left_out"] > 0
    assert result(planted, "offline", "ingest.now_health_data")["quarantined"] == {"known_at is missing": 4}
    assert result(planted, "offline", "combine")["metrics"]["superseded"] > 0


@pytest.mark.records
def test_whatever_rests_on_made_up_records_says_so(planted: Trials, command: Callable[..., Any]) -> None:
    for mode, stage in (
        ("offline", "train"),
        ("offline", "evaluate"),
        ("offline", "promote"),
        ("online", "postprocess"),
    ):
        assert result(planted, mode, stage)["synthetic"] == ["now_health_data"], stage
    registry = Registry(planted.room)
    version = registry.champion()
    assert registry.model(version).synthetic == ["now_health_data"]
    assert registry.metrics(version)["synthetic"] == ["now_health_data"]
    assert b"synthetic: [now_health_data]" in planted.room.get(registry.key(version, METRICS))
    scored = open_dataset(planted.room, result(planted, "online", "postprocess")["artifacts"][0]["key"])
    assert scored.manifest.made_from["synthetic"] == ["now_health_data"]
    for asked in (("summary", "clinical_trials"), ("models", "list", "clinical_trials")):
        assert "synthetic data" in command(*asked, "--store", planted.store).output


@pytest.mark.records
def test_people_get_a_probability_a_band_and_what_speaks_for_and_against(planted: Trials) -> None:
    scored = open_dataset(planted.room, result(planted, "online", "postprocess")["artifacts"][0]["key"]).columns()
    rows = len(scored["trial_id"])
    assert rows > 40
    probability = np.asarray(scored["probability"])
    assert ((probability >= 0) & (probability <= 1)).all()
    bands = np.searchsorted(models.BAND_BORDERS, np.asarray(scored["prediction"]), side="right")
    assert scored["band"].values() == [models.BANDS[at] for at in bands]
    for name in ("speaks_for", "speaks_against"):
        reasons = [text.splitlines() for text in scored[name].values() if text]
        assert len(reasons) > rows * 0.9
        assert max(map(len, reasons)) == 5
        amounts = [float(line.rpartition("(")[2].rstrip(")")) for own in reasons for line in own]
        assert all(amount > 0 for amount in amounts) == (name == "speaks_for")


@pytest.mark.records
def test_one_record_scores_as_it_does_in_its_batch(planted: Trials, in_memory: Callable[..., Any]) -> None:
    stages = ("ingest.private_health_cloud", "prepare.private_health_cloud", "combine", "serve", "postprocess")
    results = {}
    for stage in stages:
        found = result(planted, "online", stage)
        results[stage] = type("Result", (), {
            "as_of": dt.datetime.fromisoformat(found["as_of"]),
            "artifacts": [type("Artifact", (), own) for own in found["artifacts"]],
        })  # fmt: skip
    pairs = in_memory("clinical_trials", planted.room, results, range(12))
    assert len(pairs) == 12
    for alone, batch in pairs:
        assert alone == batch


@pytest.mark.records
def test_real_time_scoring_gives_the_same_bits_and_the_same_reasons(
    planted: Trials, started: Callable[[ScoringService], ScoringService], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "RECORDS", 7)
    use_case, online = find("clinical_trials"), result(planted, "online", "serve")
    service = started(ScoringService(use_case, str(planted.store)))
    batch = replay.batch_of(planted.room, use_case.config, online["run_id"])
    as_of = dt.datetime.fromisoformat(online["as_of"])
    found = replay.replayed(use_case, batch, online["run_id"], as_of, Directly(service))
    assert found.scored == online["rows_out"] > 40


class Recovered(Chain):
    """The planted effects and nothing else, one coefficient each; of the criteria every line."""

    features = (
        Impute("arms", "minimum_age"),
        Levels("phase", "allocation", "masking", "purpose", "sponsor_class", rare=1),
        ManyLevels("intervention_types", "conditions", "criteria", rare=1),
    )
    estimator = LogisticRegression(ridge=1e-3)


@pytest.mark.records
def test_training_finds_the_planted_coefficients_within_their_intervals() -> None:
    count = 20_000
    raw = _all(sources.now_health_data.read(Window(None, AS_OF, f"synthetic:{count}")))
    columns = sampling.labelled(find("clinical_trials").config, sampling.prepared(models.PrepareRegistry, raw).columns)
    fitted = Recovered.fit(Recovered.start(), columns, np.asarray(columns["completes"]))["estimator"]
    found, errors = _effects(fitted["coefficients"]), _effects(fitted["standard_errors"]["coefficients"])
    planted = _planted()
    away = np.array([(found[name] - effect) / errors[name] for name, effect in planted.items()])
    assert len(away) > 60
    assert np.mean(np.abs(away) < 1.96) >= 0.88
    assert np.max(np.abs(away)) < 4.5


def _all(batches: Iterator[Any]) -> dict[str, Column]:
    from ml_pipeline.columns import concat
    from ml_pipeline.data.arrow import to_columns

    return concat([to_columns(records.batch) for records in batches])


def _planted() -> dict[str, float]:
    named = {
        f"{'criteria' if column == 'phrases' else column} {'* ' if column == 'phrases' else ''}{level}": effect
        for column, levels in EFFECTS.items()
        for level, effect in levels.items()
        if column not in ("arms", "minimum_age")
    }
    return named | {"arms": EFFECTS["arms"]["each"], "minimum_age": EFFECTS["minimum_age"]["year"]}


def _effects(values: dict[str, Any]) -> dict[str, float]:
    flat = {
        f"{column} {level}": own
        for column, levels in values.items()
        if isinstance(levels, dict)
        for level, own in levels.items()
    }
    return flat | {column: own for column, own in values.items() if not isinstance(own, dict)}


@pytest.mark.skipif(not REAL.is_dir(), reason="the captured records are not here")
class TestRealRecords:
    """Captured from the registry: few, but as they are."""

    @pytest.fixture
    def real(self, trials: Trials) -> Trials:
        for file in sorted(REAL.glob("*.json")):
            (trials.folder / file.name).write_bytes(file.read_bytes())
        return trials

    def test_every_one_of_them_is_read_and_none_is_lost(self, real: Trials) -> None:
        results = real.run("offline", "ingest", "prepare", "combine")
        ingested, prepared = results["ingest.now_health_data"], results["prepare.now_health_data"]
        assert (ingested.rows_out, ingested.quarantined, prepared.quarantined) == (378, {}, {})
        assert (prepared.rows_out, prepared.metrics["left_out"]) == (320, 58)
        assert results["combine"].rows_out == 179
        assert not any(result.synthetic for result in results.values())

    def test_an_empty_one_among_them_is_counted(self, real: Trials) -> None:
        real.write("z.json", [{PROTOCOL: {}, "hasResults": False}])
        results = real.run("offline", "ingest", "prepare")
        assert results["ingest.now_health_data"].quarantined == {"known_at is missing": 1}
        assert results["prepare.now_health_data"].rows_out == 320

    @pytest.mark.records
    def test_the_whole_pipeline_runs_and_reports_honest_intervals(self, real: Trials) -> None:
        hashed = {"split.by": "hash", "split.validation": "15%", "split.test": "30%", "evaluate.floors": {"brier": 0.3}}
        measured = real.run("offline", **hashed)["evaluate"].metrics["roc_auc"]
        assert measured["low"] < measured["value"] < measured["high"]
        assert measured["high"] - measured["low"] > 0.2, "52 rows cannot say more"


def test_the_sponsor_s_database_is_a_file_that_sqlite_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PIPELINE_STORE", str(tmp_path))
    assert seed.seed(dt.date(2024, 7, 1), 25) == f"file://{tmp_path}/clinical_trials/private_health_cloud.sqlite"
    with sqlite3.connect(tmp_path / "clinical_trials/private_health_cloud.sqlite") as database:
        (count,) = database.execute(
            "select count(distinct trial_id) from trials where title like '[synthetic]%'"
        ).fetchone()
    database.close()
    assert count == 25


def test_study_ids_of_the_generator_are_not_the_registry_s() -> None:
    assert all(
        own[PROTOCOL].get("identificationModule", {}).get("nctId", "NCT9").startswith("NCT9") for own in studies(200)
    )
