from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from ml_pipeline.artifacts.datasets import Dataset, open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Columns, concat, count
from ml_pipeline.contract import REALTIME, StageResult
from ml_pipeline.errors import BusyError, DataError, StoreError
from ml_pipeline.lineage.results import stored_results
from ml_pipeline.realtime.journal import Entry, Journal, stacked
from ml_pipeline.realtime.service import ScoringService
from tests.airflow_site import wait
from tests.conftest import AS_OF, Parcels
from tests.realtime.conftest import Scored, answer, body
from tests.realtime.test_service import another

Start = Callable[[ScoringService], ScoringService]


def results(parcels: Parcels) -> list[StageResult]:
    """What real-time scoring left, in the order it was stored."""
    keys = [key for key in parcels.objects("runs/") if key.startswith(f"runs/{REALTIME}")]
    found = [msgspec.json.decode(parcels.room.get(key), type=StageResult) for key in keys]
    return sorted(found, key=lambda result: result.finished)


def recorded(parcels: Parcels, version: str = "") -> list[Dataset]:
    """The datasets that real-time scoring left, perhaps only those of a model."""
    wanted = [result for result in results(parcels) if result.model_version == version or not version]
    return [open_dataset(parcels.room, artifact.key) for result in wanted for artifact in result.artifacts]


def keys(datasets: list[Dataset]) -> list[str | None]:
    """The keys of all rows, sorted."""
    found = concat([dataset.columns() for dataset in datasets])
    values: Any = found["parcel_id"]
    return sorted(values.values())


def test_what_was_scored_is_stored_as_the_serve_stage_does(scored: Scored) -> None:
    service = scored.service()
    service.start()
    for record in scored.records[:3]:
        service.score_json(body(record))
    service.score_json(body([*scored.records[3:], {"parcel_id": "no pickup"}]))
    service.close()
    (result,), (found,) = results(scored.parcels), recorded(scored.parcels)
    batch = scored.parcels.dataset(scored.parcels.run("online"), "predictions")
    assert found.manifest.columns == batch.manifest.columns
    assert found.manifest.time["column"] == batch.manifest.time["column"]
    assert keys([found]) == keys([batch])
    assert (result.mode, result.stage, result.status) == ("online", "serve", "done")
    assert (result.rows_out, result.model_version) == (len(scored.records), service.champion)
    assert found.manifest.made_from["model_version"] == service.champion
    assert found.artifact() == result.artifacts[0]


def test_what_repeats_the_past_is_not_stored(scored: Scored) -> None:
    service = scored.service()
    service.start()
    service.score_json(body(scored.records), as_of=AS_OF)
    service.close()
    assert not results(scored.parcels)


def test_what_fails_is_not_stored_and_takes_no_room(scored: Scored) -> None:
    service = scored.service()
    service.start()
    with pytest.raises(DataError):
        service.score_json(body([{"parcel_id": "p"}]))
    assert service.journal.promised == 0
    service.close()
    assert not results(scored.parcels)


@pytest.mark.usefixtures("eager")
def test_it_is_stored_while_others_are_scored(scored: Scored, started: Start) -> None:
    service = started(scored.service())
    service.score_json(body(scored.records[0]))
    wait(lambda: len(results(scored.parcels)) == 1, 30, lambda: "nothing is stored")
    service.score_json(body(scored.records[1]))
    wait(lambda: len(results(scored.parcels)) == 2, 30, lambda: "not all is stored")
    wait(lambda: service.journal.kept == 0, 30, lambda: str(service.journal.kept))


def test_runs_that_nobody_ordered_are_not_listed(scored: Scored) -> None:
    before = stored_results(scored.parcels.room)
    service = scored.service()
    service.start()
    service.score_json(body(scored.records))
    service.close()
    assert results(scored.parcels)
    assert stored_results(scored.parcels.room) == before


def test_a_full_journal_refuses_before_it_scores(scored: Scored) -> None:
    service = scored.service()
    service.journal = Journal(service.use_case, service.store, rows=4)
    service.follower.start()
    service.score_json(body(scored.records[:3]))
    with pytest.raises(BusyError, match="more is scored than can be recorded") as caught:
        service.score_json(body(scored.records[:2]))
    assert (caught.value.http_status, caught.value.retry_after) == (503, 2)
    service.score_json(body(scored.records[3]))
    service.score_json(body(scored.records[:4]), as_of=AS_OF)
    service.journal.start()
    service.close()
    assert keys(recorded(scored.parcels)) == sorted(record["parcel_id"] for record in scored.records[:4])


@pytest.mark.usefixtures("eager")
def test_a_store_that_is_away_is_waited_for(
    scored: Scored, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = scored.service()
    service.start()
    put = Store.put

    def away(self: Store, *_: Any) -> None:
        raise StoreError("the object store did not answer as it should")

    monkeypatch.setattr(Store, "put", away)
    service.score_json(body(scored.records[:2]))
    wait(lambda: "2 predictions wait to be stored" in caplog.text, 30, lambda: caplog.text)
    service.score_json(body(scored.records[2:]))
    closing = threading.Thread(target=service.close)
    closing.start()
    wait(lambda: f"{len(scored.records)} predictions wait to be stored" in caplog.text, 30, lambda: caplog.text)
    assert closing.is_alive()
    monkeypatch.setattr(Store, "put", put)
    closing.join(60)
    assert not closing.is_alive()
    assert keys(recorded(scored.parcels)) == sorted(record["parcel_id"] for record in scored.records)


def test_nothing_is_lost_where_many_score_and_it_closes(scored: Scored) -> None:
    service = scored.service()
    service.start()
    answered: list[str] = []

    def ask(number: int) -> None:
        for at in range(30):
            record = {**scored.records[at % 5], "parcel_id": f"n{number}-{at}"}
            try:
                answered.append(answer(service.score_json(body(record)))["predictions"][0]["parcel_id"])
            except BusyError:
                return

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    wait(lambda: len(answered) > 10, 30, lambda: str(len(answered)))
    service.close()
    for thread in threads:
        thread.join()
    assert keys(recorded(scored.parcels)) == sorted(answered)


UNTIL_TOLD = """
import json, signal, sys, threading
from ml_pipeline.discovery import find
from ml_pipeline.realtime.service import ScoringService
told = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: told.set())
service = ScoringService(find("parcels"), sys.argv[1])
service.start()
for record in service.example():
    service.score_json(json.dumps(record).encode())
print("scored", flush=True)
told.wait()
service.close()
"""


def test_a_process_that_is_told_to_stop_stores_all(scored: Scored) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{scored.parcels.site}:."}
    command = [sys.executable, "-c", UNTIL_TOLD, scored.parcels.store]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "scored\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert keys(recorded(scored.parcels)) == sorted(record["parcel_id"] for record in scored.records[:2])


def test_a_shadow_scores_beside_the_champion_and_is_only_recorded(scored: Scored) -> None:
    version = another(scored.parcels.registry)
    service = scored.service(shadow=version)
    service.start()
    found = answer(service.score_json(body(scored.records)))
    service.score_json(body(scored.records), version=version)
    service.close()
    assert {row["model_version"] for row in found["predictions"]} == {service.champion}
    champions, shadows = recorded(scored.parcels, service.champion), recorded(scored.parcels, version)
    assert [dataset.manifest.rows for dataset in champions] == [len(scored.records)]
    # What was asked of the shadow itself is recorded as of any model, and not shadowed.
    assert sorted(dataset.manifest.rows for dataset in shadows) == [len(scored.records)] * 2
    own = [dataset.columns() for dataset in shadows]
    assert np.asarray(own[0]["prediction"]).tolist() == np.asarray(own[1]["prediction"]).tolist()
    assert np.asarray(own[0]["prediction"]).tolist() != [row["prediction"] for row in found["predictions"]]
    assert {*shadows[0].manifest.columns} == {*champions[0].manifest.columns}


def test_a_shadow_that_fails_harms_nobody(scored: Scored, caplog: pytest.LogCaptureFixture) -> None:
    service = scored.service(shadow=another(scored.parcels.registry))
    service.start()
    shadow = service.follower.shadow
    assert shadow
    service.follower.shadow = type(shadow)(shadow.functions, shadow.version, {"features": []}, ())
    service.score_json(body(scored.records))
    service.close()
    assert [dataset.manifest.rows for dataset in recorded(scored.parcels)] == [len(scored.records)]
    assert "cannot predict what the champion can" in caplog.text


def test_single_rows_are_packed_together(scored: Scored) -> None:
    service = scored.service()
    service.follower.start()
    for record in scored.records:
        service.score_json(body(record))
    entries = list(service.journal.queue)
    together: Columns = stacked([entry.predictions for entry in entries])
    assert count(together) == len(scored.records)
    whole = scored.service()
    whole.follower.start()
    whole.score_json(body(scored.records))
    (entry,) = whole.journal.queue
    assert isinstance(entry, Entry)
    for name, column in entry.predictions.items():
        values: Any = together[name]
        expected: Any = column
        same = values.values() == expected.values() if hasattr(column, "codes") else (values == expected).all()
        assert same, name
    for own in (service, whole):
        own.follower.stop()
