"""Which snapshots together hold what was known at a moment."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ml_pipeline.artifacts.datasets import DatasetWriter
from ml_pipeline.artifacts.store import Store
from ml_pipeline.handlers.snapshots import history, moment, snapshot_key

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
