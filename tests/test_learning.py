"""Labelled records that are sent are kept as they are, and learnt like any others."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from ml_pipeline.columns import Category
from ml_pipeline.contract import StageResult
from ml_pipeline.discovery import find
from ml_pipeline.errors import DataError, UsageError
from ml_pipeline.learning import learn
from ml_pipeline.lineage.reproduction import reproduce
from tests.conftest import quarantined

if TYPE_CHECKING:
    from ml_pipeline.artifacts.datasets import Dataset
    from tests.conftest import Parcels

NOW = dt.datetime(2024, 2, 5, 9, tzinfo=dt.UTC)
"""Between the champion's as-of and the next night."""
SPLIT = "split: {by"


@pytest.fixture
def learner(champion: Parcels) -> Parcels:
    """The use case, trained and with a champion; it learns online."""
    champion.replace("pipeline.yaml", SPLIT, f"learning: {{test: 20%, least: 20}}\n{SPLIT}")
    return champion


def _records(parcels: Parcels, first: int, last: int) -> list[dict[str, Any]]:
    """Records of the file from which nothing was known when the champion was trained, labels included."""
    header, *lines = (line.split(",") for line in parcels.lines("parcels"))
    rows = [dict(zip(header, line, strict=True)) for line in lines[1760 + first : 1760 + last]]
    return [row | {"weight": float(row["weight"]), "delay": float(row["delay"])} for row in rows]


def _send(parcels: Parcels, records: Any, as_of: dt.datetime = NOW) -> dict[str, StageResult]:
    return {own.stage: own for own in learn(find("parcels"), parcels.store, json.dumps(records).encode(), as_of)}


def _combined(parcels: Parcels, results: dict[str, StageResult]) -> list[str | None]:
    column = parcels.dataset(results, "combined").columns(["parcel_id"])["parcel_id"]
    assert isinstance(column, Category)
    return column.values()


def _sent(parcels: Parcels, results: dict[str, StageResult]) -> list[Dataset]:
    return parcels.datasets(results, "new.parcels")


def test_records_become_a_model_that_scores(learner: Parcels) -> None:
    before, records = learner.registry.champion(), _records(learner, 0, 60)
    results = _send(learner, records)
    model = learner.registry.model(results["train"].model_version)
    assert _combined(learner, results) == [record["parcel_id"] for record in records]
    assert model.start == before
    assert results["evaluate"].verdict is not None
    assert results["promote"].status == ("done" if results["evaluate"].verdict["passed"] else "skipped")
    assert learner.run("online", as_of=learner.next_night)["serve"].model_version == learner.registry.champion()


def test_they_are_kept_unchanged_with_the_types_of_the_source(learner: Parcels) -> None:
    results = _send(learner, _records(learner, 0, 60))
    (kept,) = _sent(learner, results)
    raw = learner.datasets(results, "raw.parcels")[0]
    assert kept.key == "raw/parcels.sent/20240205T090000Z"
    assert kept.manifest.columns == raw.manifest.columns
    assert kept.manifest.made_from["sent"] != ""
    assert kept.manifest.digest in learner.registry.model(results["train"].model_version).snapshots


def test_nobody_waits_for_a_source(learner: Parcels) -> None:
    before = learner.objects("raw/")
    learner.path("traffic").unlink()
    results = _send(learner, _records(learner, 0, 60))
    assert results["combine"].status == "done"
    new = [key for key in learner.objects("raw/") if key not in before]
    assert {key.split("/")[1] for key in new} == {"parcels.sent"}


def test_a_record_that_cannot_be_used_is_counted_and_stops_nothing(learner: Parcels) -> None:
    good = _records(learner, 0, 40)
    without_label = [{**record, "delay": None} for record in _records(learner, 40, 50)]
    heavy, late = {**good[0], "parcel_id": "h", "weight": -1.0}, {**good[0], "parcel_id": "l", "weight": "much"}
    results = _send(learner, [*good, *without_label, heavy, late, 7, good[3]])
    assert results["ingest.parcels"].quarantined == {
        "the record is not an object": 1,
        "weight is not of type float64": 1,
    }
    assert results["prepare.parcels"].quarantined == {"the weight is negative": 1}
    assert results["combine"].metrics["unlabelled"] == 10
    assert results["combine"].quarantined == {"parcel_id came before": 1}
    assert _combined(learner, results) == [record["parcel_id"] for record in good]
    (kept,) = _sent(learner, results)
    assert ("the record is not an object", 7) in quarantined(kept)


def test_too_few_are_kept_and_learnt_with_the_next(learner: Parcels) -> None:
    few, more = _records(learner, 0, 12), _records(learner, 12, 30)
    first = _send(learner, few)
    assert first["split"].status == "skipped"
    assert "not enough labelled rows" in first["split"].notes[0]
    second = _send(learner, more, NOW + dt.timedelta(hours=1))
    assert _combined(learner, second) == [record["parcel_id"] for record in (*few, *more)]


def test_others_at_the_same_second_lie_beside_them_and_the_same_are_the_same(learner: Parcels) -> None:
    few, more = _records(learner, 0, 12), _records(learner, 12, 15)
    first, other, again = _send(learner, few), _send(learner, more), _send(learner, few)
    assert [own["combine"].as_of - NOW for own in (first, other, again)] == [
        dt.timedelta(0), dt.timedelta(seconds=1), dt.timedelta(0),
    ]  # fmt: skip
    assert again["combine"].status == "reused"


def test_what_was_sent_is_not_learnt_again_when_the_source_tells_of_it(learner: Parcels) -> None:
    records = _records(learner, 0, 60)
    results = _send(learner, records)
    if results["promote"].status != "done":
        pytest.fail(str(results["evaluate"].verdict))
    night = learner.run("learning", as_of=learner.next_night)
    sent = {record["parcel_id"] for record in records}
    assert night["combine"].metrics["learnt_before"] > 0
    assert not sent & set(_combined(learner, night))


def test_records_are_joined_to_what_was_known_and_the_features_are_those_of_the_night(learner: Parcels) -> None:
    night = learner.run("learning", as_of=learner.next_night, parameters={"promotion.policy": "manual"})
    key = learner.dataset(night, "combined").columns()["parcel_id"]
    assert isinstance(key, Category)
    results = _send(learner, _records(learner, 0, 30), learner.next_night + dt.timedelta(minutes=1))
    ours, theirs = (learner.dataset(own, "combined").columns() for own in (results, night))
    place = {word: at for at, word in enumerate(key.values())}
    both = [(at, place[word]) for at, word in enumerate(_combined(learner, results)) if word in place]
    assert len(both) > 20
    for name in ("weight", "speed", "floor", "recent_late"):
        assert [ours[name][a].tobytes() for a, _ in both] == [theirs[name][b].tobytes() for _, b in both], name


@pytest.mark.parametrize("body", [b"", b"nothing", b"[", b"7", b'[{"parcel_id": "p"}, ', b"[7]"])
def test_a_body_without_records_is_refused_and_leaves_nothing(learner: Parcels, body: bytes) -> None:
    before = learner.objects()
    with pytest.raises(DataError):
        learn(find("parcels"), learner.store, body, NOW)
    assert learner.objects() == before


def test_a_use_case_that_does_not_learn_keeps_nothing(champion: Parcels) -> None:
    before = champion.objects()
    with pytest.raises(UsageError, match="does not learn online"):
        _send(champion, _records(champion, 0, 60))
    assert champion.objects() == before


def test_the_model_can_be_made_again(learner: Parcels) -> None:
    _send(learner, _records(learner, 0, 12))
    version = _send(learner, _records(learner, 12, 60), NOW + dt.timedelta(hours=1))["train"].model_version
    before = {key: learner.room.get(key) for key in learner.objects()}
    found = reproduce(find("parcels"), learner.registry, version)
    assert (found.outcome, found.causes) == ("same bytes", [])
    assert {key: learner.room.get(key) for key in learner.objects()} == before
