"""Which snapshots together hold what was known at a moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from ml_pipeline.artifacts.datasets import DatasetWriter
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import SchemaError
from ml_pipeline.handlers.snapshots import history, moment, snapshot_key

if TYPE_CHECKING:
    from tests.conftest import Parcels

Command = Callable[..., Result]

NIGHTS = [dt.datetime(2024, 1, day, 2, tzinfo=dt.UTC) for day in range(1, 6)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def _snapshot(store: Store, night: int, since: int | None) -> None:
    writer = DatasetWriter(store, snapshot_key("orders", NIGHTS[night]), "raw.orders")
    writer.close({"since": "" if since is None else f"{NIGHTS[since]:%Y%m%dT%H%M%SZ}"})


def _nights(store: Store, as_of: dt.datetime) -> list[int]:
    return [NIGHTS.index(moment(dataset)) for dataset in history(store, "orders", as_of)]


def test_nothing_is_known_where_nothing_was_stored(store: Store) -> None:
    assert history(store, "orders", NIGHTS[0]) == []


def test_each_snapshot_goes_on_from_the_one_it_names(store: Store) -> None:
    for night, since in enumerate((None, 0, 1, 1)):
        _snapshot(store, night, since)
    assert _nights(store, NIGHTS[3]) == [0, 1, 3]
    assert _nights(store, NIGHTS[2]) == [0, 1, 2]


def test_what_is_later_than_the_moment_does_not_count(store: Store) -> None:
    _snapshot(store, 0, None)
    _snapshot(store, 2, 0)
    assert _nights(store, NIGHTS[1]) == [0]


def test_a_snapshot_without_manifest_does_not_count(store: Store) -> None:
    _snapshot(store, 0, None)
    store.put(snapshot_key("orders", NIGHTS[1]) + "/part-00000.parquet", b"half of it")
    assert _nights(store, NIGHTS[1]) == [0]


def test_names_sort_as_moments_do_in_any_year() -> None:
    early = dt.datetime(476, 9, 4, tzinfo=dt.UTC)
    assert snapshot_key("orders", early) == "raw/orders/04760904T000000Z"


def test_the_moment_is_kept_to_the_second_in_utc() -> None:
    moment = dt.datetime(2024, 1, 1, 2, 0, 5, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert snapshot_key("orders", moment) == "raw/orders/20240101T000005Z"


def test_a_source_whose_types_changed_is_told_and_can_be_read_again(champion: Parcels, command: Command) -> None:
    champion.replace("sources.py", '"speed": "float64"', '"speed": "string"')
    with pytest.raises(
        SchemaError, match=r"wants the column 'speed' of traffic otherwise.*Given: double.*forget parcels"
    ):
        champion.run("offline", as_of=champion.next_night)
    champion.replace("models.py", 'keep("depot", "measured_at", "speed")', 'keep("depot", "measured_at")')
    champion.replace("models.py", '"speed", ', "")
    forgotten = command("forget", "parcels", "traffic", "--store", champion.store)
    assert forgotten.output == "2 snapshots of traffic forgotten\n"
    results = champion.run("offline", as_of=champion.next_night)
    (snapshot,) = champion.datasets(results, "raw.traffic")
    assert snapshot.manifest.columns["speed"] == "string"
    assert command("forget", "parcels", "trafic", "--store", champion.store).exit_code == 2


def test_of_a_driving_source_that_is_read_whole_a_label_that_comes_later_counts(parcels: Parcels) -> None:
    parcels.replace("pipeline.yaml", "    known: delivered\n", "    revised: true\n")
    lines = parcels.lines("parcels")
    late = next(at for at, line in enumerate(lines) if "2024-01-20" in line)
    parcels.write("parcels", [*lines[:late], lines[late].rpartition(",")[0] + ",", *lines[late + 1 :]])
    before = parcels.run("offline", "ingest", "prepare", "combine")["combine"]
    parcels.write("parcels", lines)
    after = parcels.run("offline", "ingest", "prepare", "combine", as_of=parcels.next_night)["combine"]
    key = lines[late].partition(",")[0]
    keys = [set(parcels.dataset({"": own}, "combined").columns()["parcel_id"].values()) for own in (before, after)]
    assert key not in keys[0]
    assert key in keys[1]
    assert before.quarantined == {}
