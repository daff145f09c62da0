"""Records cleaned, one dataset for each snapshot; what cannot be used is set aside with the reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml_pipeline.errors import DataError, QuarantineError, SchemaError

if TYPE_CHECKING:
    from tests.conftest import Parcels

NEGATIVE = "p-bad{},c1,north,-2.5,2024-01-15T10:00:00Z,12"


def test_the_columns_that_are_kept_are_those_that_are_there(champion: Parcels) -> None:
    prepared = champion.dataset(champion.run("offline", "prepare.parcels"), "prepared.parcels")
    assert [*prepared.manifest.columns] == ["parcel_id", "customer", "depot", "weight", "pickup", "delivered", "late"]


def test_a_record_that_fails_a_check_is_set_aside_whole(
    parcels: Parcels, set_aside: Callable[..., list[tuple[str, Any]]]
) -> None:
    parcels.add("parcels", NEGATIVE.format(1), NEGATIVE.format(2))
    result = parcels.run("offline", "ingest", "prepare")["prepare.parcels"]
    assert result.quarantined == {"the weight is negative": 2}
    assert result.rows_out == result.rows_in - 2
    prepared = parcels.dataset({"": result}, "prepared.parcels")
    reason, record = set_aside(prepared)[0]
    assert reason == "the weight is negative"
    assert (record["parcel_id"], record["weight"], record["depot"]) == ("p-bad1", -2.5, "north")


def test_too_many_bad_records_stop_the_run_and_nothing_of_them_is_visible(parcels: Parcels) -> None:
    parcels.add("parcels", *(NEGATIVE.format(number) for number in range(200)))
    parcels.run("offline", "ingest")
    with pytest.raises(QuarantineError, match=r"prepare\.parcels would set aside 200 of 1,932 records") as caught:
        parcels.run("offline", "prepare.parcels")
    assert "the weight is negative (200); for example {" in caught.value.given
    assert "p-bad0" in caught.value.given
    assert (caught.value.expected, caught.value.exit_code) == ("at most 5%", 65)
    assert "prepared.parcels" not in parcels.visible()


def test_the_next_night_prepares_only_what_is_new(champion: Parcels) -> None:
    results = champion.run("offline", "ingest", "prepare", as_of=champion.next_night)
    old, new = champion.datasets(results, "prepared.parcels")
    assert results["prepare.parcels"].rows_in == new.manifest.rows < old.manifest.rows
    assert old.key in {dataset.key for dataset in champion.datasets(champion.run("offline"), "prepared.parcels")}


def test_an_empty_snapshot_is_passed_over(champion: Parcels) -> None:
    results = champion.run("offline", "ingest", "prepare", as_of=champion.as_of + dt.timedelta(seconds=1))
    assert len(champion.datasets(results, "raw.parcels")) == 2
    assert len(champion.datasets(results, "prepared.parcels")) == 1
    assert results["prepare.parcels"].status == "reused"


def test_a_source_with_nothing_but_empty_snapshots_says_so(parcels: Parcels) -> None:
    early = dt.datetime(2023, 12, 30, tzinfo=dt.UTC)
    with pytest.raises(DataError, match="the source parcels has no records") as caught:
        parcels.run("offline", "ingest", "prepare", as_of=early)
    assert "give a later --as-of" in caught.value.do


def test_a_derived_source_is_made_of_the_whole_history_at_once(champion: Parcels) -> None:
    results = champion.run("offline", "ingest", "prepare", as_of=champion.next_night)
    history = champion.datasets(results, "history.parcels")
    assert results["prepare.late_by_depot"].rows_in == sum(dataset.manifest.rows for dataset in history)
    rates = champion.dataset(results, "prepared.late_by_depot")
    assert [*rates.manifest.columns] == ["depot", "known_at", "recent_late"]


def test_online_the_rates_come_from_the_past_and_the_new_rows_are_prepared_apart(champion: Parcels) -> None:
    results = champion.run("online", "ingest", "prepare")
    (history,) = champion.datasets(results, "history.parcels")
    (new,) = champion.datasets(results, "prepared.parcels")
    assert history.key != new.key
    assert history.manifest.rows > new.manifest.rows
    assert np.isnan(np.asarray(new.columns(["late"])["late"])).all()
    assert results["prepare.late_by_depot"].status == "reused"


def test_a_preparation_may_work_on_a_pandas_frame(parcels: Parcels) -> None:
    parcels.replace(
        "models.py",
        'steps = chain(keep("depot", "measured_at", "speed"))',
        'steps = chain(smooth, keep("depot", "measured_at", "speed"))',
    )
    parcels.replace(
        "models.py",
        "class PrepareTraffic",
        '@frame(["depot", "speed"], ["speed"])\n'
        'def smooth(table):\n    return table.assign(speed=table["speed"].clip(upper=80))\n\n\nclass PrepareTraffic',
    )
    parcels.replace("models.py", "import Chain,", "import frame, Chain,")
    results = parcels.run("offline", "ingest.traffic", "prepare.traffic")
    speed = np.asarray(parcels.dataset(results, "prepared.traffic").columns(["speed"])["speed"])
    assert speed.max() == 80.0


@pytest.mark.parametrize(
    ("old", "new", "leak"),
    [
        ('"delivered", "late"))', '"delivered", "late", "delay"))', "delay"),
        ("chain(weighed, late, keep(", "chain(weighed, late, weight_of, keep(", "weight"),
    ],
)
def test_what_follows_from_the_truth_does_not_get_through(parcels: Parcels, old: str, new: str, leak: str) -> None:
    made = (
        "def weight_of(weight: Floats, delay: Floats) -> Floats:\n    return weight + delay\n\n\nclass PrepareParcels"
    )
    parcels.replace("models.py", "class PrepareParcels", f'@writes("weight")\n{made}')
    parcels.replace("models.py", "check, keep", "check, keep, writes")
    parcels.replace("models.py", old, new)
    with pytest.raises(
        SchemaError, match=rf"lets the truth through. Given: {leak}. Expected: of delay nothing but late"
    ):
        parcels.run("offline")
