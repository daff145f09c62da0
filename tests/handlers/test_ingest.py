"""What a source has new becomes a snapshot, once, and stays as it was."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from ml_pipeline.columns import Category

if TYPE_CHECKING:
    from ml_pipeline.artifacts.datasets import Dataset
    from tests.conftest import Parcels

NEW = "p{},c1,north,2.5,{},12"


def _times(dataset: Dataset, column: str) -> list[dt.datetime]:
    moments = np.asarray(dataset.columns([column])[column]).tolist()
    return [moment.replace(tzinfo=dt.UTC) for moment in moments]


def _keys(datasets: list[Dataset]) -> list[str | None]:
    found = [dataset.columns(["parcel_id"])["parcel_id"] for dataset in datasets]
    return [word for column in found if isinstance(column, Category) for word in column.values()]


def test_a_snapshot_holds_what_was_known_at_the_moment_and_no_more(parcels: Parcels) -> None:
    result = parcels.run("offline", "ingest.parcels")["ingest.parcels"]
    (snapshot,) = parcels.datasets({"": result}, "raw.parcels")
    known = _times(snapshot, "delivered")
    assert max(known) <= parcels.as_of
    assert result.rows_out + result.metrics["not_yet_known"] == len(parcels.lines("parcels")) - 1
    assert snapshot.manifest.made_from == {
        "source": "parcels", "since": "", "as_of": "2024-02-04T23:00:00+00:00",
        "system_version": result.system_version[:16],
    }  # fmt: skip


def test_the_next_night_stores_only_what_became_known_since(champion: Parcels) -> None:
    result = champion.run("offline", "ingest.parcels", as_of=champion.next_night)["ingest.parcels"]
    first, second = champion.datasets({"": result}, "raw.parcels")
    assert first.key.endswith("20240204T230000Z")
    assert second.manifest.made_from["since"] == "20240204T230000Z"
    assert result.rows_in == len(champion.lines("parcels")) - 1, "a file is read whole, and cut to the night"
    assert result.rows_in == first.manifest.rows + second.manifest.rows + result.metrics["not_yet_known"]
    assert min(_times(second, "delivered")) > champion.as_of
    assert max(_times(second, "delivered")) <= champion.next_night


def test_nights_together_hold_every_record_once(champion: Parcels) -> None:
    nights = [champion.as_of + dt.timedelta(days=days) for days in (1, 2, 4)]
    results = [champion.run("offline", "ingest.parcels", as_of=night) for night in nights]
    keys = _keys(champion.datasets(results[-1], "raw.parcels"))
    assert len(set(keys)) == len(keys)
    parcels_known = [line for line in champion.lines("parcels")[1:] if _known(line) <= nights[-1]]
    assert len(keys) == len(parcels_known)


def test_a_night_made_up_later_sees_what_it_would_have_seen(champion: Parcels) -> None:
    """As of a moment between two snapshots, the later one does not count."""
    champion.run("offline", "ingest.parcels", as_of=champion.as_of + dt.timedelta(days=3))
    between = champion.run("offline", "ingest.parcels", as_of=champion.next_night)
    moments = [_times(snapshot, "delivered") for snapshot in champion.datasets(between, "raw.parcels")]
    assert max(max(own) for own in moments) <= champion.next_night
    later = champion.run("offline", "ingest.parcels", as_of=champion.as_of + dt.timedelta(days=3))
    keys = _keys(champion.datasets(later, "raw.parcels"))
    assert len(set(keys)) == len(keys)


def test_a_night_without_news_leaves_an_empty_snapshot(champion: Parcels) -> None:
    minute_later = champion.as_of + dt.timedelta(seconds=1)
    result = champion.run("offline", as_of=minute_later)["ingest.parcels"]
    assert [snapshot.manifest.rows > 0 for snapshot in champion.datasets({"": result}, "raw.parcels")] == [True, False]


def test_a_stored_snapshot_stays_whatever_the_source_says_now(champion: Parcels) -> None:
    before = champion.datasets(champion.run("offline", "ingest.parcels"), "raw.parcels")[0].manifest
    champion.write("parcels", champion.lines("parcels")[:100])
    again = champion.run("offline", "ingest.parcels", force=True)
    assert champion.datasets(again, "raw.parcels")[0].manifest == before


def test_a_source_that_does_not_say_when_is_read_whole(champion: Parcels) -> None:
    champion.add("customers", "c31,gold,3")
    result = champion.run("offline", "ingest.customers", as_of=champion.next_night)
    assert champion.dataset(result, "raw.customers").manifest.rows == 31


def test_an_unchanged_source_that_is_read_whole_is_not_stored_twice(champion: Parcels) -> None:
    result = champion.run("offline", "ingest.customers", as_of=champion.next_night)
    snapshot = champion.dataset(result, "raw.customers")
    assert [part.elsewhere.startswith("raw/customers/20240204T230000Z/") for part in snapshot.manifest.parts] == [True]
    assert [key for key in champion.objects(snapshot.key) if key.endswith(".parquet")] == []
    assert snapshot.columns().keys() == {"customer", "tier", "floor"}


def test_records_to_score_are_those_of_the_day_ahead_without_their_truth(champion: Parcels) -> None:
    new = champion.dataset(champion.run("online", "ingest.parcels"), "new.parcels")
    pickups = _times(new, "pickup")
    assert min(pickups) >= champion.as_of
    assert max(pickups) < champion.as_of + dt.timedelta(days=1)
    assert new.manifest.rows == len([line for line in champion.lines("parcels")[1:] if _is_ahead(line, champion)])
    assert np.isnan(np.asarray(new.columns(["delay"])["delay"])).all()


def test_how_far_ahead_is_a_parameter(champion: Parcels) -> None:
    one, two = (
        champion.dataset(
            champion.run("online", "ingest.parcels", as_of=as_of, parameters={"ahead": ahead}), "new.parcels"
        )
        for as_of, ahead in ((champion.as_of, "1d"), (champion.next_night, "2d"))
    )
    assert two.manifest.rows > one.manifest.rows


def test_a_record_right_at_the_moment_is_to_be_scored(champion: Parcels) -> None:
    at, before = "2024-02-04T23:00:00Z", "2024-02-04T22:59:59Z"
    champion.add("parcels", NEW.format("at", at), NEW.format("before", before))
    keys = _keys([champion.dataset(champion.run("online", "ingest.parcels"), "new.parcels")])
    assert "pat" in keys
    assert "pbefore" not in keys


def _moment_of(line: str) -> dt.datetime:
    return dt.datetime.fromisoformat(line.split(",")[4])


def _known(line: str) -> dt.datetime:
    return _moment_of(line) + dt.timedelta(hours=6)


def _is_ahead(line: str, parcels: Parcels) -> bool:
    return parcels.as_of <= _moment_of(line) < parcels.next_night
