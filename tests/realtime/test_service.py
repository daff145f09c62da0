from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from ml_pipeline.artifacts import parameters as file
from ml_pipeline.artifacts.promotion_log import Promotion, now
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category
from ml_pipeline.data import arrow
from ml_pipeline.discovery import find
from ml_pipeline.errors import ChainError, DataError, NotFoundError, NotReadyError, RejectedError, StoreError
from ml_pipeline.realtime.service import ScoringService
from tests.airflow_site import wait
from tests.conftest import AS_OF, Parcels
from tests.realtime.conftest import Scored, answer, body, without_rank

Start = Callable[[ScoringService], ScoringService]
LATER = AS_OF + dt.timedelta(days=1)


def promoted(registry: Registry, version: str) -> None:
    """A person makes a model champion."""
    last = registry.last_promotion()
    registry.promote(
        Promotion(
            number=(last.number if last else 0) + 1, to=version, previous=registry.champion(), actor="somebody",
            reason="a test", run="", as_of="", evidence="", at=now(),
        )
    )  # fmt: skip


def another(registry: Registry, factor: float = 2.0) -> str:
    """A model that differs from the champion in its bias."""
    champion = registry.model(registry.champion())
    parameters: Any = dict(registry.parameters(champion.version))
    parameters["estimator"] = {**parameters["estimator"], "bias": parameters["estimator"]["bias"] * factor}
    content = file.dump(parameters, champion.model)
    version = sha256(content).hexdigest()[:16]
    registry.add(
        msgspec.structs.replace(champion, version=version, parameters_sha256=sha256(content).hexdigest()), content
    )
    return version


def test_all_records_at_once_get_what_batch_gave_them(scored: Scored, service: ScoringService) -> None:
    found = answer(service.score_json(body(scored.records), as_of=AS_OF))
    assert without_rank(found["predictions"]) == scored.table
    assert found["set_aside"] == []
    assert found["model_version"] == service.champion == scored.parcels.registry.champion()
    assert found["as_of"] == AS_OF.isoformat()


def test_each_record_alone_gets_the_same(scored: Scored, service: ScoringService) -> None:
    alone = [answer(service.score_json(body(record), as_of=AS_OF))["predictions"][0] for record in scored.records]
    assert without_rank(alone) == scored.table


def test_as_an_arrow_stream_they_get_the_same(scored: Scored, service: ScoringService) -> None:
    table = pa.Table.from_pylist(scored.records)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    found = pa.ipc.open_stream(service.score_arrow(sink.getvalue().to_pybytes(), as_of=AS_OF)).read_all()
    columns = arrow.to_columns(found)
    predictions = np.asarray(columns["prediction"])
    assert predictions.tolist() == [row["prediction"] for row in scored.table]
    about = {name.decode(): value.decode() for name, value in found.schema.metadata.items()}
    assert about == {"model_version": service.champion, "as_of": AS_OF.isoformat(), "set_aside": "[]"}


def test_what_is_set_aside_is_told_by_its_place(scored: Scored, service: ScoringService) -> None:
    good = scored.records[:4]
    sent = [
        {**good[0], "weight": "heavy"}, good[1], {**good[2], "weight": -1}, good[1], "parcel",
        {**good[3], "pickup": None}, {**good[3], "parcel_id": None}, good[3],
    ]  # fmt: skip
    found = answer(service.score_json(body(sent), as_of=AS_OF))
    assert without_rank(found["predictions"]) == [scored.table[1], scored.table[3]]
    assert found["set_aside"] == [
        {"record": 0, "reason": "weight is not of type float64", "column": "weight"},
        {"record": 2, "reason": "the weight is negative"},
        {"record": 3, "reason": "parcel_id came before"},
        {"record": 4, "reason": "the record is not an object"},
        {"record": 5, "reason": "pickup is missing"},
        {"record": 6, "reason": "parcel_id is missing"},
    ]


def test_where_no_record_is_good_it_says_why_of_each(scored: Scored, service: ScoringService) -> None:
    bad = [{**scored.records[0], "weight": -1}, {"parcel_id": "p"}]
    with pytest.raises(RejectedError, match="all 2 records must be set aside") as caught:
        service.score_json(body(bad))
    assert caught.value.as_dict()["set_aside"] == [
        {"record": 0, "reason": "the weight is negative"}, {"record": 1, "reason": "pickup is missing"},
    ]  # fmt: skip


def test_no_records_have_no_predictions(service: ScoringService) -> None:
    assert answer(service.score_json(b"[]"))["predictions"] == []


@pytest.mark.parametrize(
    "change", [{"weight": None}, {"depot": "nowhere"}, {"customer": None}, {"depot": None, "weight": None}]
)
def test_what_is_missing_or_was_never_seen_is_scored(
    scored: Scored, service: ScoringService, change: dict[str, Any]
) -> None:
    whole = {**scored.records[0], **change}
    without = {name: value for name, value in whole.items() if value is not None}
    found = [answer(service.score_json(body(own)))["predictions"][0] for own in (whole, without)]
    assert 0 < found[0]["prediction"] < 1
    assert found[0] == found[1]


def test_the_truth_that_is_sent_changes_nothing(scored: Scored, service: ScoringService) -> None:
    found = answer(service.score_json(body({**scored.records[0], "delay": 1000.0}), as_of=AS_OF))
    assert without_rank(found["predictions"]) == scored.table[:1]


def test_numbers_without_end_stay_such(scored: Scored, service: ScoringService) -> None:
    found = answer(service.score_json(body({**scored.records[0], "weight": "Infinity"})))
    assert found["predictions"][0]["parcel_id"] == scored.records[0]["parcel_id"]


@pytest.mark.usefixtures("eager")
def test_without_a_champion_it_is_not_ready_and_gets_ready_by_itself(
    parcels: Parcels, trained: Any, started: Start
) -> None:
    service = started(ScoringService(find("parcels"), parcels.store))
    assert service.champion == ""
    with pytest.raises(NotReadyError, match="there is no champion"):
        service.check_ready()
    with pytest.raises(NotReadyError, match="there is no champion"):
        service.score_json(b"{}")
    assert service.inputs()["weight"] == "number"
    shutil.copytree(trained, parcels.store, dirs_exist_ok=True)
    wait(lambda: service.champion != "", 30, lambda: str(service.follower.trouble))
    wait(lambda: service.follower.known is not None, 30, lambda: str(service.follower.trouble))
    service.check_ready()


def test_a_source_of_which_nothing_is_known_is_named(scored: Scored, started: Start) -> None:
    service = started(scored.service())
    with pytest.raises(NotReadyError, match="nothing is known of the source traffic"):
        service.score_json(body(scored.records[0]), as_of=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))


def test_a_version_can_be_asked_for(scored: Scored, service: ScoringService) -> None:
    version = another(scored.parcels.registry)
    own = answer(service.score_json(body(scored.records), version=version, as_of=AS_OF))
    assert own["model_version"] == version
    assert {row["model_version"] for row in own["predictions"]} == {version}
    assert own["predictions"][0]["prediction"] != scored.table[0]["prediction"]
    with pytest.raises(NotFoundError, match="there is no such model"):
        service.score_json(body(scored.records), version="0123456789abcdef")
    with pytest.raises(NotFoundError, match="there is no such model"):
        service.inputs("0123456789abcdef")


@pytest.mark.usefixtures("eager")
def test_a_promotion_is_followed_and_taken_back(scored: Scored, started: Start) -> None:
    service, registry = started(scored.service()), scored.parcels.registry
    first, second = registry.champion(), another(registry)
    for version in (second, first):
        promoted(registry, version)
        wait(lambda version=version: service.champion == version, 30, lambda: service.champion)
        assert answer(service.score_json(body(scored.records[0])))["model_version"] == version


@pytest.mark.usefixtures("eager")
def test_no_request_fails_and_none_mixes_models_while_champions_change(scored: Scored, started: Start) -> None:
    service, registry = started(scored.service()), scored.parcels.registry
    versions = [registry.champion(), another(registry)]
    expected = {
        version: answer(service.score_json(body(scored.records), version=version))["predictions"]
        for version in versions
    }
    done = threading.Event()

    def ask() -> set[str]:
        seen = set()
        while not done.is_set():
            found = answer(service.score_json(body(scored.records)))
            assert found["predictions"] == expected[found["model_version"]]
            seen.add(found["model_version"])
        return seen

    with ThreadPoolExecutor(4) as callers:
        calls = [callers.submit(ask) for _ in range(4)]
        for version in [*reversed(versions)] * 3:
            promoted(registry, version)
            wait(lambda version=version: service.champion == version, 30, lambda: service.champion)
        done.set()
    assert set.union(*(call.result() for call in calls)) == set(versions)


@pytest.mark.usefixtures("eager")
def test_snapshots_that_land_are_followed(scored: Scored, started: Start) -> None:
    service = started(scored.service())
    record = {**scored.records[0], "customer": "c99"}
    assert answer(service.score_json(body(record)))["predictions"][0]["tier"] is None
    scored.parcels.add("customers", "c99,gold,1")
    scored.parcels.run("online", "ingest.customers", as_of=LATER)
    wait(lambda: answer(service.score_json(body(record)))["predictions"][0]["tier"] == "gold", 30, lambda: "not gold")
    before = answer(service.score_json(body(record), as_of=AS_OF))
    assert before["predictions"][0]["tier"] is None


def test_an_earlier_moment_sees_what_a_run_as_of_then_saw(scored: Scored, service: ScoringService) -> None:
    results = scored.parcels.run("online", as_of=LATER)
    later = scored.parcels.dataset(results, "scored").columns()
    new = scored.parcels.dataset(results, "new.parcels")
    records = new.table(new.manifest.parts[0], ["parcel_id", "customer", "depot", "weight"]).to_pylist()
    pickups = np.asarray(new.columns(["pickup"])["pickup"]).astype(str).tolist()
    sent = [{**record, "pickup": f"{pickup}Z"} for record, pickup in zip(records, pickups, strict=True)]
    for moment, expected in ((LATER, np.asarray(later["prediction"]).tolist()), (AS_OF, None)):
        found = answer(service.score_json(body(sent), as_of=moment))
        assert ([row["prediction"] for row in found["predictions"]] == expected) is (moment == LATER)
    again = answer(service.score_json(body(scored.records), as_of=AS_OF))
    assert without_rank(again["predictions"]) == scored.table


def test_a_snapshot_of_an_earlier_moment_that_lands_late_is_seen(scored: Scored, service: ScoringService) -> None:
    record = {**scored.records[0], "customer": "c99"}
    assert answer(service.score_json(body(record), as_of=LATER))["predictions"][0]["tier"] is None
    scored.parcels.add("customers", "c99,gold,1")
    scored.parcels.run("online", "ingest.customers", as_of=LATER)
    assert answer(service.score_json(body(record), as_of=LATER))["predictions"][0]["tier"] == "gold"


@pytest.mark.usefixtures("eager")
def test_a_store_that_is_away_for_a_while_changes_nothing(
    scored: Scored, started: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = started(scored.service())

    def away(self: Store, *_: Any) -> Any:
        raise StoreError("the object store did not answer as it should")

    with monkeypatch.context() as patch:
        for name in ("get", "keys", "folders", "put", "create"):
            patch.setattr(Store, name, away)
        wait(lambda: set(service.follower.trouble) >= {"champion", "references"}, 30, lambda: caplog.text)
        assert without_rank(answer(service.score_json(body(scored.records[0])))["predictions"]) == scored.table[:1]
        service.check_ready()
        assert caplog.text.count("champion: the object store did not answer") == 1
    wait(lambda: not service.follower.trouble, 30, lambda: str(service.follower.trouble))


def test_a_shadow_that_is_not_there_is_told_at_once(scored: Scored) -> None:
    with pytest.raises(NotFoundError, match="there is no such model"):
        scored.service(shadow="0123456789abcdef").start()


def test_serve_alone_takes_combined_rows(scored: Scored, service: ScoringService) -> None:
    results = scored.parcels.run("online")
    combined = scored.parcels.dataset(results, "combined").columns()
    assert set(service.inputs()) == {"weight", "speed", "floor", "recent_late", "depot", "tier"}
    found = service.predict({name: combined[name] for name in service.inputs()})
    assert np.asarray(found["prediction"]).tolist() == [row["prediction"] for row in scored.table]
    with pytest.raises(ChainError, match="needs the column 'speed'"):
        service.predict({"weight": np.ones(1), "depot": Category.of(["north"])})


def test_the_example_is_scored(scored: Scored, service: ScoringService) -> None:
    assert service.example() == scored.records[:2]
    assert len(answer(service.score_json(body(service.example())))["predictions"]) == 2


def test_without_records_the_example_is_made_up(parcels: Parcels) -> None:
    found = ScoringService(find("parcels"), parcels.store).example()
    assert found[0] == {
        "parcel_id": "text", "customer": "text", "depot": "text", "weight": 1, "pickup": "2024-01-31T12:00:00Z",
    }  # fmt: skip


PURE = """
import json, sys
from ml_pipeline.discovery import find
from ml_pipeline.realtime.service import ScoringService
service = ScoringService(find("parcels"), sys.argv[1])
service.start()
service.score_json(json.dumps(service.example()).encode())
service.close()
print(sorted({"pandas", "scipy", "sklearn", "airflow", "duckdb", "fastapi"} & set(sys.modules)))
"""


def test_scoring_imports_nothing_that_it_does_not_need(scored: Scored) -> None:
    """From preparation to the journal; the packages are there to be imported."""
    path = f"{scored.parcels.site}:."
    command = [sys.executable, "-c", PURE, scored.parcels.store]
    done = subprocess.run(command, check=False, env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    assert json.loads(done.stdout) == []


class TestRequestsThatComeTogether:
    """Whatever else comes at the same time, a request gets what it would get alone, and is kept once."""

    def alike(self, service: ScoringService, bodies: list[bytes]) -> list[Any]:
        """What each got, and would have got alone; `as_of` may tick between them."""
        together, alone = service.score_bodies(bodies), [one for each in bodies for one in service.score_bodies([each])]
        assert [type(one) for one in together] == [type(one) for one in alone]
        for own, other in zip(together, alone, strict=True):
            if isinstance(own, bytes) and isinstance(other, bytes):
                assert {**answer(own), "as_of": ""} == {**answer(other), "as_of": ""}
            else:
                assert str(own) == str(other)
        return together

    def test_single_records_and_several(self, scored: Scored, service: ScoringService) -> None:
        first, second, *others = scored.records[:6]
        before = service.journal.recorded
        found = self.alike(service, [body(first), body([second]), body(others), body([])])
        assert [len(answer(one)["predictions"]) for one in found] == [1, 1, len(others), 0]
        assert service.journal.recorded - before == 2 * (2 + len(others))

    def test_beside_a_body_that_is_none(self, scored: Scored, service: ScoringService) -> None:
        before = service.journal.recorded
        found = self.alike(service, [body(scored.records[0]), b"no JSON", body(scored.records[1])])
        assert isinstance(found[1], DataError)
        assert service.journal.recorded - before == 4

    def test_beside_a_record_that_is_set_aside(self, scored: Scored, service: ScoringService) -> None:
        keyless = {**scored.records[0], "parcel_id": None}
        found = self.alike(service, [body(keyless), body(scored.records[1]), body([keyless, scored.records[2]])])
        assert isinstance(found[0], RejectedError)
        assert [one["record"] for one in answer(found[2])["set_aside"]] == [0]

    def test_the_same_record_twice(self, scored: Scored, service: ScoringService) -> None:
        before = service.journal.recorded
        found = self.alike(service, [body(scored.records[0])] * 3)
        assert len({str(answer(one)["predictions"]) for one in found}) == 1
        assert service.journal.recorded - before == 6

    def test_before_there_is_a_champion(self, scored: Scored) -> None:
        found = scored.service().score_bodies([body(scored.records[0])] * 2)
        assert [type(one) for one in found] == [NotReadyError, NotReadyError]
