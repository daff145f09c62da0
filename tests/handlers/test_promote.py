"""One entry in the log for each model that became champion, and the evidence for it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

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
