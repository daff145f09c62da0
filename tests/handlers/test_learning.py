"""Learning goes on from the champion with what became known since, past the same gate."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml_pipeline.artifacts.registry import SKETCHES
from ml_pipeline.columns import Category
from ml_pipeline.data.splits import hashes
from ml_pipeline.discovery import find
from ml_pipeline.errors import UsageError
from ml_pipeline.lineage.succession import promote

if TYPE_CHECKING:
    from tests.conftest import Parcels

DAY = dt.timedelta(days=1)
SPLIT = "split: {by"
LEARNING = f"learning: {{test: 20%, least: 20}}\n{SPLIT}"


@pytest.fixture
def learner(champion: Parcels) -> Parcels:
    """The use case, trained and with a champion; it learns online."""
    champion.replace("pipeline.yaml", SPLIT, LEARNING)
    return champion


def _learn(parcels: Parcels, nights: int = 1, **more: Any) -> Any:
    return parcels.run("learning", as_of=parcels.as_of + nights * DAY, **more)


def _keys(parcels: Parcels, results: Any, *names: str) -> list[set[str | None]]:
    found = [parcels.dataset(results, name).columns(["parcel_id"])["parcel_id"] for name in names]
    return [set(column.values()) for column in found if isinstance(column, Category)]


def _known_between(parcels: Parcels, first: dt.datetime, last: dt.datetime) -> set[str]:
    """Keys of the parcels of which it became known in a time whether they are late."""
    rows = (line.split(",") for line in parcels.lines("parcels")[1:])
    known = ((row[0], dt.datetime.fromisoformat(row[4]) + dt.timedelta(hours=6)) for row in rows)
    return {key for key, moment in known if first < moment <= last}


def test_it_learns_what_became_known_since_the_champion_and_nothing_else(learner: Parcels) -> None:
    results = _learn(learner)
    assert {result.status for result in results.values()} == {"done"}
    combined, train, test = _keys(learner, results, "combined", "train", "test")
    assert combined == _known_between(learner, learner.as_of, learner.as_of + DAY)
    assert train | test == combined
    assert not train & test
    assert 0 < len(test) < len(train)


def test_the_model_says_what_it_went_on_from(learner: Parcels) -> None:
    before = learner.registry.champion()
    results = _learn(learner)
    model = learner.registry.model(results["train"].model_version)
    assert model.version != model.start == before
    assert model.rows == learner.dataset(results, "train").manifest.rows
    assert model.made_from == {"train": learner.dataset(results, "train").manifest.digest}
    raw = {a.digest for result in results.values() for a in result.artifacts if a.name.startswith("raw.")}
    assert set(model.snapshots) == raw | set(learner.registry.model(before).snapshots)


def test_the_profile_is_that_of_all_rows_it_has_learnt(learner: Parcels) -> None:
    before = learner.registry.profile(learner.registry.champion())
    learnt = _learn(learner)["train"].model_version
    profile, rows = learner.registry.profile(learnt), learner.registry.model(learnt).rows
    assert profile.rows == before.rows + rows
    assert profile.columns["weight"].rows == profile.rows


def test_where_the_profile_of_the_champion_is_lost_it_learns_on_and_says_so(learner: Parcels) -> None:
    learner.room.put(f"models/{learner.registry.champion()}/{SKETCHES}", b"lost")
    result = _learn(learner)["train"]
    assert learner.registry.profile(result.model_version).rows == learner.registry.model(result.model_version).rows
    assert any("Drift will be measured from the new rows alone" in note for note in result.notes)


def test_encoders_stay_and_coefficients_move_a_little(learner: Parcels) -> None:
    before = learner.registry.parameters(learner.registry.champion())
    after = learner.registry.parameters(_learn(learner)["train"].model_version)
    assert after["features"] == before["features"]
    old, new = (own["estimator"]["coefficients"]["weight"] for own in (before, after))
    assert 0.0 < abs(new - old) < 0.2 * abs(old)


def test_a_verdict_that_passes_makes_it_champion_and_it_scores(learner: Parcels) -> None:
    before = learner.registry.champion()
    results = _learn(learner)
    version = results["train"].model_version
    assert results["evaluate"].verdict["passed"]
    assert learner.registry.metrics(version)["champion"] == before
    assert learner.registry.champion() == version
    assert learner.registry.promotions()[-1].previous == before
    scored = learner.run("online", as_of=learner.next_night)
    assert scored["serve"].model_version == version
    predicted = learner.dataset(scored, "predictions").columns(["model_version"])["model_version"]
    assert isinstance(predicted, Category)
    assert set(predicted.values()) == {version}


def test_one_that_does_not_pass_is_refused_and_its_rows_are_learnt_again(learner: Parcels) -> None:
    before = learner.registry.champion()
    refused = _learn(learner, parameters={"evaluate.floors": {"brier": 0.0}})
    assert not refused["evaluate"].verdict["passed"]
    assert refused["promote"].status == "skipped"
    assert learner.registry.champion() == before
    (combined,) = _keys(learner, _learn(learner, 2), "combined")
    assert combined == _known_between(learner, learner.as_of, learner.as_of + 2 * DAY)


def test_the_next_night_goes_on_from_there(learner: Parcels) -> None:
    first, second = _learn(learner), _learn(learner, 2)
    (combined,) = _keys(learner, second, "combined")
    assert combined == _known_between(learner, learner.as_of + DAY, learner.as_of + 2 * DAY)
    model = learner.registry.model(second["train"].model_version)
    assert model.start == first["train"].model_version
    assert set(learner.registry.model(model.start).snapshots) < set(model.snapshots)


def test_after_an_offline_model_it_goes_on_from_that_one(learner: Parcels) -> None:
    _learn(learner)
    version = learner.run("offline", as_of=learner.as_of + 2 * DAY)["train"].model_version
    assert learner.registry.model(version).start == ""
    if learner.registry.champion() != version:
        promote(find("parcels"), learner.registry, version, "It has seen all rows at once.")
    (combined,) = _keys(learner, _learn(learner, 3), "combined")
    assert combined == _known_between(learner, learner.as_of + 2 * DAY, learner.as_of + 3 * DAY)


def test_twice_as_of_the_same_moment_is_once(learner: Parcels) -> None:
    asked: dict[str, Any] = {"parameters": {"promotion.policy": "manual"}}
    first, second = _learn(learner, **asked), _learn(learner, run_id="another", **asked)
    assert second["train"].model_version == first["train"].model_version
    assert {name for name, result in second.items() if result.status != "reused"} == {"promote"}
    assert first["promote"].notes[0].startswith("a person has to agree to a promotion")


def test_a_forced_run_leaves_the_same_bytes(learner: Parcels) -> None:
    asked: dict[str, Any] = {"parameters": {"promotion.policy": "manual"}}
    _learn(learner, **asked)
    before = {key: learner.room.get(key) for key in learner.objects() if not key.startswith("runs/")}
    again = _learn(learner, force=True, **asked)
    assert {again[name].status for name in ("prepare.parcels", "combine", "split", "train", "evaluate")} == {"done"}
    assert {key: learner.room.get(key) for key in learner.objects() if not key.startswith("runs/")} == before


def test_without_anything_new_there_is_nothing_to_do(learner: Parcels) -> None:
    results = _learn(learner, 0)
    assert results["ingest.parcels"].status == "skipped"
    assert "nothing became known of parcels" in results["ingest.parcels"].notes[0]
    assert results["promote"].status == "skipped"


def test_too_few_rows_wait_for_more(learner: Parcels) -> None:
    results = _learn(learner, parameters={"learning.least": 90})
    assert results["combine"].status == "done"
    assert [results[name].status for name in ("split", "train", "evaluate", "promote")] == ["skipped"] * 4
    assert results["split"].notes[0].startswith("not enough labelled rows to learn from yet. Given: 60 rows")
    assert _learn(learner, 2, parameters={"learning.least": 90})["train"].status == "done"


def test_a_use_case_that_does_not_learn_says_so(champion: Parcels) -> None:
    with pytest.raises(UsageError, match="parcels does not learn online"):
        _learn(champion)


def test_without_a_champion_there_is_nothing_to_go_on_from(parcels: Parcels) -> None:
    parcels.replace("pipeline.yaml", SPLIT, LEARNING)
    with pytest.raises(UsageError, match="no champion to go on from"):
        _learn(parcels)
    assert parcels.objects("raw/") == []


def test_other_code_than_the_champions_is_refused(learner: Parcels) -> None:
    learner.replace("models.py", "A logistic regression.", "A logistic regression!")
    with pytest.raises(UsageError, match="other code made it") as refused:
        _learn(learner)
    assert "parcels/models.py changed" in refused.value.given


def test_where_it_cannot_be_told_what_was_learnt_nothing_is_learnt_twice(learner: Parcels) -> None:
    for key in learner.room.keys("raw/parcels/"):
        learner.room.delete(key)
    with pytest.raises(UsageError, match="cannot be told which records of parcels") as refused:
        _learn(learner)
    assert "train offline once" in refused.value.do


@pytest.mark.parametrize("known", ["revised: true", "known: delivered\n    revised: true"])
def test_of_revised_records_those_are_learnt_that_have_a_label_now(parcels: Parcels, known: str) -> None:
    parcels.replace("pipeline.yaml", SPLIT, LEARNING)
    parcels.replace("pipeline.yaml", "known: delivered", known)
    whole = parcels.lines("parcels")
    border = parcels.as_of + (dt.timedelta(0) if "delivered" in known else dt.timedelta(hours=6))
    before = _known_between(parcels, border - 90 * DAY, border)
    after = _known_between(parcels, border, border + DAY)
    unknown = {key for place, key in enumerate(sorted(before)) if place % 20 == 0}
    parcels.write("parcels", [_without_delay(line) if line.partition(",")[0] in unknown else line for line in whole])
    parcels.run("offline")
    # What had no label comes again, with one; under `known` as a record of its own, later.
    came = [line for line in whole if line.partition(",")[0] in unknown]
    later = [line.replace(line.split(",")[4], "2024-02-05T12:00:00Z") for line in came]
    parcels.write("parcels", [*whole, *later] if "delivered" in known else whole)
    results = _learn(parcels)
    (combined,) = _keys(parcels, results, "combined")
    assert combined == unknown | after
    assert results["combine"].metrics["learnt_before"] > 0 or "delivered" in known


def _without_delay(line: str) -> str:
    return f"{line.rpartition(',')[0]},"


def test_the_features_are_those_of_offline_training(learner: Parcels) -> None:
    """A row is joined as of its own moment, whichever run joins it."""
    learnt = learner.dataset(_learn(learner), "combined").columns()
    whole = learner.dataset(learner.run("offline", as_of=learner.next_night), "combined").columns()
    key, keys = whole["parcel_id"], learnt["parcel_id"]
    assert isinstance(key, Category)
    assert isinstance(keys, Category)
    place = {word: at for at, word in enumerate(key.values())}
    rows = np.array([place[word] for word in keys.values()])
    for name, column in learnt.items():
        own, other = column, whole[name][rows]
        same = (
            own.values() == other.values() if isinstance(own, Category) else np.array_equal(own, other, equal_nan=True)
        )
        assert same, name


def test_offline_a_champion_that_went_on_is_judged_by_rows_that_it_has_not_learnt(learner: Parcels) -> None:
    learnt = _learn(learner)
    (seen,) = _keys(learner, learnt, "train")
    results = learner.run("offline", as_of=learner.as_of + 2 * DAY)
    (test,) = _keys(learner, results, "test")
    assert seen & test
    found = learner.registry.metrics(results["train"].model_version)
    assert found["champion"] == learnt["train"].model_version
    fair = {key for key in test if _place(str(key)) < 0.2}
    assert not fair & seen
    assert found["rows"] == len(fair)
    told = f"Both are judged by the {len(fair)} of {len(test)} test rows that the champion has not learnt."
    assert results["evaluate"].verdict["reasons"][-1] == told


def _place(key: str) -> float:
    return float(hashes([key])[0] / 2.0**64)


def test_in_one_service_it_is_the_same_model(learner: Parcels) -> None:
    first, second = learner.store, f"{learner.store}-2"
    shutil.copytree(first, second)
    found = []
    for store, services in ((first, {}), (second, {"all": ["ingest", "prepare", "combine", "split", "train"]})):
        learner.store = store
        results = _learn(learner, parameters={"services.learning": services})
        version = results["train"].model_version
        digests = sorted(artifact.digest for artifact in results["split"].artifacts)
        found.append((version, digests, learner.room.get(f"models/{version}/parameters.yaml")))
    assert found[0] == found[1]
