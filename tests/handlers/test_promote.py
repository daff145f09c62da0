"""One entry in the log for each model that became champion, and the evidence for it."""

from __future__ import annotations

import datetime as dt
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import pytest

from ml_pipeline.artifacts import golden
from ml_pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from tests.conftest import Parcels


def test_the_first_model_that_passes_is_champion(champion: Parcels) -> None:
    (entry,) = champion.registry.promotions()
    results = champion.run("offline")
    assert (entry.number, entry.previous, entry.actor) == (1, "", "gate")
    assert entry.to == results["train"].model_version == champion.registry.champion()
    assert entry.run == "offline-20240204T230000Z"
    assert entry.as_of == "2024-02-04T23:00:00+00:00"
    assert entry.reason == " ".join(results["evaluate"].verdict["reasons"])


def test_the_evidence_is_the_digest_of_the_verdict(champion: Parcels) -> None:
    entry = champion.registry.promotions()[0]
    assert entry.evidence == sha256(champion.room.get(f"models/{entry.to}/metrics.yaml")).hexdigest()


def test_the_next_champion_names_the_one_before(champion: Parcels) -> None:
    before = champion.registry.champion()
    results = champion.run("offline", as_of=champion.next_night)
    first, second = champion.registry.promotions()
    assert results["promote"].status == "done"
    assert (second.number, second.previous, second.to) == (2, before, results["train"].model_version)
    assert first.to == before


def test_a_champion_is_not_promoted_again(champion: Parcels) -> None:
    assert champion.run("offline", "promote", run_id="offline-20240204T230000Z")["promote"].status == "reused"
    assert champion.run("offline", force=True)["promote"].status == "reused"
    assert len(champion.registry.promotions()) == 1


def test_the_result_names_the_entry(champion: Parcels) -> None:
    (artifact,) = champion.run("offline")["promote"].artifacts
    assert (artifact.name, artifact.key) == ("promotion", "promotions/000001.yaml")
    assert artifact.digest == champion.registry.champion()
    assert champion.room.exists(artifact.key)


def test_an_entry_says_when_it_was_made_and_of_what_kind_it_is(champion: Parcels) -> None:
    (entry,) = champion.registry.promotions()
    assert entry.kind == "promote"
    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(entry.at)
    assert dt.timedelta() <= age < dt.timedelta(hours=1)


def test_the_gate_alone_does_not_promote_a_model_that_was_taken_back(champion: Parcels) -> None:
    first = champion.registry.champion()
    champion.run("offline", as_of=champion.next_night)
    entry = champion.registry.promotions()[-1]
    back = msgspec.structs.replace(entry, number=3, to=first, previous=entry.to, kind="rollback", reason="It lost.")
    champion.registry.promote(back)
    again = champion.run("offline", as_of=champion.next_night)
    assert again["evaluate"].verdict["passed"]
    assert again["train"].model_version == entry.to
    assert again["promote"].status == "skipped"
    assert "was champion before and was taken back" in again["promote"].notes[0]
    assert "entry 3 of the promotion log, by gate: It lost" in again["promote"].notes[0]
    assert champion.registry.champion() == first


def test_a_model_that_was_taken_back_may_be_promoted_by_who_agrees_to_it(champion: Parcels) -> None:
    first = champion.registry.champion()
    champion.run("offline", as_of=champion.next_night)
    entry = champion.registry.promotions()[-1]
    champion.registry.promote(msgspec.structs.replace(entry, number=3, to=first, previous=entry.to, kind="rollback"))
    agreed = champion.run("offline", "promote", as_of=champion.next_night, approved_by="ada", reason="seen")
    assert (agreed["promote"].status, champion.registry.champion()) == ("done", entry.to)
    assert champion.registry.log.taken_back(entry.to) is None


def _until_promote(champion: Parcels) -> str:
    stages = ("ingest", "prepare", "combine", "split", "train", "evaluate")
    return champion.run("offline", *stages, as_of=champion.next_night)["train"].model_version


@pytest.mark.parametrize("content", [b"", b"no Parquet"])
def test_golden_rows_that_cannot_be_read_keep_the_champion(champion: Parcels, content: bytes) -> None:
    candidate = _until_promote(champion)
    champion.room.put(champion.registry.key(candidate, golden.GOLDEN), content)
    with pytest.raises(IntegrityError) as caught:
        champion.run("offline", "promote", as_of=champion.next_night)
    assert f"models/{candidate}/golden.parquet" in caught.value.given
    assert len(champion.registry.promotions()) == 1


def test_a_model_that_predicts_otherwise_than_when_it_was_evaluated_is_not_promoted(champion: Parcels) -> None:
    before, candidate = champion.registry.champion(), _until_promote(champion)
    other = champion.room.get(champion.registry.key(before, golden.GOLDEN))
    champion.room.put(champion.registry.key(candidate, golden.GOLDEN), other)
    with pytest.raises(IntegrityError, match="predicts otherwise"):
        champion.run("offline", "promote", as_of=champion.next_night)
    assert champion.registry.champion() == before


def test_a_model_without_golden_rows_is_promoted_with_a_note(champion: Parcels) -> None:
    candidate = _until_promote(champion)
    champion.room.delete(champion.registry.key(candidate, golden.GOLDEN))
    result = champion.run("offline", "promote", as_of=champion.next_night)["promote"]
    assert champion.registry.champion() == candidate
    assert any("has no golden rows" in note for note in result.notes)


def test_a_candidate_whose_parameters_were_changed_is_not_promoted(champion: Parcels) -> None:
    candidate = _until_promote(champion)
    key = champion.registry.key(candidate, "parameters.yaml")
    champion.room.put(key, champion.room.get(key) + b"# harmless\n")
    with pytest.raises(IntegrityError, match="not what was written"):
        champion.run("offline", "promote", as_of=champion.next_night)
    assert len(champion.registry.promotions()) == 1


def test_who_agreed_and_why_stands_in_the_log(champion: Parcels) -> None:
    asked = {"approved_by": "ada", "reason": "The holidays are over."}
    champion.run("offline", as_of=champion.next_night, **asked)
    entry = champion.registry.promotions()[-1]
    assert entry.actor == "ada"
    assert entry.reason.startswith("The holidays are over. roc_auc is ")


def test_where_people_decide_nobody_is_promoted_unasked(champion: Parcels) -> None:
    manual = {"promotion.policy": "manual"}
    asked = champion.run("offline", as_of=champion.next_night, parameters=manual)["promote"]
    assert asked.status == "skipped"
    assert asked.notes[0].startswith("a person has to agree to a promotion, and nobody was asked.")
    agreed = champion.run("offline", "promote", as_of=champion.next_night, parameters=manual, approved_by="ada")[
        "promote"
    ]
    assert agreed.status == "done"
