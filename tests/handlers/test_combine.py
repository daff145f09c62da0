"""One row out per row in, with the other sources as they were known at the moment of prediction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml_pipeline.columns import Category, Columns
from ml_pipeline.errors import DataError, QuarantineError, SchemaError
from ml_pipeline.handlers import combine

if TYPE_CHECKING:
    from ml_pipeline.contract import StageResult
    from tests.conftest import Parcels

SetAside = Callable[..., list[tuple[str, Any]]]


def _combined(parcels: Parcels, mode: Any = "offline") -> dict[str, dict[str, Any]]:
    """Key -> the row, as plain values."""
    columns = parcels.dataset(parcels.run(mode, "ingest", "prepare", "combine"), "combined").columns()
    return {row["parcel_id"]: row for row in _rows(columns)}


def _rows(columns: Columns) -> list[dict[str, Any]]:
    plain = {name: c.values() if isinstance(c, Category) else np.asarray(c).tolist() for name, c in columns.items()}
    return [dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True)]


def _combine(parcels: Parcels) -> StageResult:
    return parcels.run("offline", "ingest", "prepare", "combine")["combine"]


def test_every_row_that_goes_in_comes_out(champion: Parcels) -> None:
    result = champion.run("offline", "combine", force=True)["combine"]
    assert result.rows_in == result.rows_out == champion.run("offline", "prepare")["prepare.parcels"].rows_out


def test_the_columns_are_those_of_all_sources_with_label_and_moment(champion: Parcels) -> None:
    columns = champion.dataset(champion.run("offline", "combine"), "combined").manifest.columns
    assert [*columns] == [
        "parcel_id", "customer", "depot", "weight", "pickup", "delivered", "late", "moment", "speed", "tier", "floor",
        "recent_late",
    ]  # fmt: skip


def test_rows_without_a_match_stay_and_are_counted(champion: Parcels) -> None:
    result = champion.run("offline", "combine", force=True)["combine"]
    unknown = [row for row in _combined(champion).values() if row["customer"] in ("c30", "c31")]
    assert result.metrics["unmatched"]["customers"] == len(unknown) > 0
    assert {row["tier"] for row in unknown} == {None}
    assert np.isnan([row["floor"] for row in unknown]).all()


def test_a_measurement_made_after_the_moment_changes_nothing(parcels: Parcels) -> None:
    """The moment is an hour before the pickup; from one minute later on the roads are jammed."""
    before = _combined(parcels)
    chosen = before["p1500"]
    assert chosen["moment"] == chosen["pickup"] - dt.timedelta(hours=1)
    later = [chosen["moment"] + dt.timedelta(minutes=minute) for minute in range(1, 600, 10)]
    parcels.add("traffic", *(f"{chosen['depot']},{moment:%Y-%m-%dT%H:%M:%SZ},-999" for moment in later))
    _forget_snapshots(parcels)
    after = _combined(parcels)
    assert after["p1500"]["speed"] == chosen["speed"] != -999
    assert -999 in {row["speed"] for row in after.values()}, "later parcels do see it"


def test_a_measurement_made_at_the_moment_counts(parcels: Parcels) -> None:
    chosen = _combined(parcels)["p1500"]
    parcels.add("traffic", f"{chosen['depot']},{chosen['moment']:%Y-%m-%dT%H:%M:%SZ},123")
    _forget_snapshots(parcels)
    assert _combined(parcels)["p1500"]["speed"] == 123


def test_labels_that_become_known_after_the_moment_change_no_rate(parcels: Parcels) -> None:
    """Whatever was picked up less than six hours before the moment is not delivered by then."""
    before = _combined(parcels)
    moment = before["p1500"]["moment"]
    spoilt = [_late_after(line, moment) for line in parcels.lines("parcels")]
    assert spoilt != parcels.lines("parcels")
    parcels.write("parcels", spoilt)
    _forget_snapshots(parcels)
    after = _combined(parcels)
    earlier = [key for key, row in before.items() if row["moment"] <= moment]
    assert len(earlier) > 1000
    assert {key: after[key]["recent_late"] for key in earlier} == pytest.approx(
        {key: before[key]["recent_late"] for key in earlier}, abs=0, nan_ok=True
    )
    assert after["p1700"]["recent_late"] > before["p1700"]["recent_late"]


def test_online_the_moment_is_never_later_than_the_as_of_and_there_is_no_label(champion: Parcels) -> None:
    rows = _combined(champion, "online").values()
    assert max(row["moment"] for row in rows) <= champion.as_of.replace(tzinfo=None)
    assert all("late" not in row for row in rows)


def test_a_key_that_came_before_is_set_aside(parcels: Parcels, set_aside: SetAside) -> None:
    parcels.add("parcels", "p7,c1,north,2.5,2024-01-15T10:00:00Z,12")
    result = _combine(parcels)
    assert result.quarantined == {"parcel_id came before": 1}
    assert result.rows_out == result.rows_in - 1
    ((reason, record),) = set_aside(parcels.dataset({"": result}, "combined"))
    assert (reason, record["parcel_id"], record["weight"]) == ("parcel_id came before", "p7", 2.5)


def test_a_key_of_an_earlier_night_is_set_aside_too(champion: Parcels) -> None:
    champion.add("parcels", "p7,c1,north,2.5,2024-02-05T10:00:00Z,12")
    results = champion.run("offline", "ingest", "prepare", "combine", as_of=champion.next_night)
    assert results["combine"].quarantined == {"parcel_id came before": 1}


def test_a_row_without_key_or_label_is_set_aside(parcels: Parcels, set_aside: SetAside) -> None:
    parcels.add("parcels", ",c1,north,2.5,2024-01-15T10:00:00Z,12", "unlabelled,c1,north,2.5,2024-01-15T10:00:00Z,NA")
    result = _combine(parcels)
    assert result.quarantined == {"late is missing": 1, "parcel_id is missing": 1}
    assert {reason for reason, _ in set_aside(parcels.dataset({"": result}, "combined"))} == {*result.quarantined}


def test_duplicates_of_a_reference_are_counted_and_the_last_one_counts(parcels: Parcels) -> None:
    parcels.add("customers", "c1,gold,99")
    result = _combine(parcels)
    assert result.metrics["duplicates"] == {"customers": 1}
    assert {row["floor"] for row in _combined(parcels).values() if row["customer"] == "c1"} == {99.0}


@pytest.mark.parametrize("mode", ["offline", "online"])
@pytest.mark.parametrize(
    ("kilobytes", "on_disk"),
    [(20_000, []), (8, ["late_by_depot", "traffic"]), (0, ["customers", "late_by_depot", "traffic"])],
)
def test_sources_that_do_not_fit_into_memory_are_joined_on_disk_to_the_same_bytes(
    champion: Parcels,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mode: Any,
    kilobytes: int,
    on_disk: list[str],
) -> None:
    before = champion.run(mode, "ingest", "prepare", "combine", force=True)["combine"]
    monkeypatch.setattr(combine, "IN_MEMORY", kilobytes * 1024 / (2 << 30))
    caplog.clear()
    with caplog.at_level("INFO", "ml_pipeline.combine"):
        after = champion.run(mode, "combine", force=True)["combine"]
    said = [record.message for record in caplog.records if "is joined on disk" in record.message]
    assert [line.split()[0] for line in said] == on_disk
    assert after.artifacts[0].digest == before.artifacts[0].digest
    assert (after.metrics, after.quarantined) == (before.metrics, before.quarantined)


def test_duplicates_of_a_source_on_disk_are_counted_too(parcels: Parcels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combine, "IN_MEMORY", 0)
    parcels.add("customers", "c1,gold,99")
    result = _combine(parcels)
    assert result.metrics["duplicates"] == {"customers": 1}
    assert {row["floor"] for row in _combined(parcels).values() if row["customer"] == "c1"} == {99.0}


def test_too_many_rows_without_label_stop_the_run(parcels: Parcels) -> None:
    lines = parcels.lines("parcels")
    parcels.write("parcels", [lines[0], *(line.rpartition(",")[0] + ",NA" for line in lines[1:])])
    with pytest.raises(QuarantineError, match=r"combine would set aside 1,732 of 1,732 records \(100\.0%\)"):
        _combine(parcels)
    assert "combined" not in parcels.visible()


def test_where_nothing_is_left_it_says_so(parcels: Parcels) -> None:
    lines = parcels.lines("parcels")
    parcels.write("parcels", [lines[0], *(line.rpartition(",")[0] + ",NA" for line in lines[1:])])
    with pytest.raises(DataError, match="no rows are left to combine"):
        parcels.run("offline", parameters={"quarantine.at_most": "100%"})


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"parcel_id", "customer", "depot", "weight"', '"customer", "depot", "weight"', "does not keep parcel_id"),
        ('"delivered", "late")', '"delivered")', "prepared.parcels has no column 'late'"),
        ('keep("customer", "tier"', 'keep("tier"', "customers is joined on 'customer'"),
        ('"depot", "measured_at", "speed"', '"depot", "speed"', "traffic is joined on 'measured_at'"),
    ],
)
def test_a_preparation_that_does_not_give_what_the_join_needs_is_named(
    parcels: Parcels, monkeypatch: pytest.MonkeyPatch, old: str, new: str, words: str
) -> None:
    parcels.replace("models.py", old, new)
    for room in (1.0, 0.0):
        monkeypatch.setattr(combine, "IN_MEMORY", room)
        with pytest.raises(SchemaError, match=words):
            _combine(parcels)


def test_two_sources_that_give_the_same_column_are_told_apart(parcels: Parcels) -> None:
    parcels.replace("models.py", 'keep("customer", "tier", "floor")', 'weight, keep("customer", "tier", "weight")')
    parcels.replace(
        "models.py", "class PrepareCustomers", "def weight(floor):\n    return floor\n\n\nclass PrepareCustomers"
    )
    with pytest.raises(SchemaError, match="the source customers gives the column 'weight', which is there already"):
        _combine(parcels)


def test_a_key_of_numbers_is_refused(parcels: Parcels) -> None:
    parcels.replace("pipeline.yaml", "key: parcel_id", "key: weight")
    with pytest.raises(SchemaError, match="the key 'weight' is not text"):
        _combine(parcels)


def _late_after(line: str, moment: dt.datetime) -> str:
    """The line with a delay, if it became known after the moment."""
    *rest, pickup, delay = line.split(",")
    if pickup == "pickup":
        return line
    known = dt.datetime.fromisoformat(pickup).replace(tzinfo=None) + dt.timedelta(hours=6)
    return ",".join([*rest, pickup, "99" if known > moment else delay])


def _forget_snapshots(parcels: Parcels) -> None:
    """Another store: in this one the snapshots stay as they are."""
    parcels.store += "-2"
