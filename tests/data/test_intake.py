from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ml_pipeline.chain import Links, chain
from ml_pipeline.columns import Floats, Times
from ml_pipeline.data.intake import Admitted, Period, admit
from ml_pipeline.data.sources import Records, Window
from ml_pipeline.errors import ChainError, SchemaError

UNTIL = dt.datetime(2013, 9, 3, tzinfo=dt.UTC)
WINDOW = Window(None, UNTIL)


class Trips:
    """A source in memory: a batch per list of rows."""

    types = {"trip": "string", "start": "timestamp", "delay": "float64"}  # noqa: RUF012 - as in the protocol

    def __init__(self, *batches: list[tuple[Any, Any, Any]], adds: Links = (), rejects: Any = ()) -> None:
        self.batches, self.adds, self.rejects = batches, adds, list(rejects)

    def read(self, window: Window) -> Iterator[Records]:
        for rows in self.batches:
            columns = zip(*rows, strict=True) if rows else [(), (), ()]
            arrays = [pa.array(list(column), pa.string()) for column in columns]
            yield Records(pa.table(dict(zip(self.types, arrays, strict=True))), self.rejects)


ROWS = [
    ("t1", "2013-09-01T00:00:00Z", "5"),
    ("t2", "2013-09-02T00:00:00Z", "7"),
    ("t3", "2013-09-03T00:00:00Z", None),
    ("t4", "2013-09-03T00:00:01Z", "9"),
    ("t5", None, "1"),
]


def period(after: str | None, until: str = "2013-09-03") -> Period:
    return Period("start", None if after is None else np.datetime64(after, "us"), np.datetime64(until, "us"))


def admitted(source: Trips, within: Period | None = None, truth: Any = ()) -> Admitted:
    (only,) = admit(source, "trips", WINDOW, within, truth)
    return only


def trips(found: Admitted) -> list[str]:
    return [str(trip) for trip in found.table.column("trip").to_pylist()]


def test_without_a_period_everything_is_kept() -> None:
    found = admitted(Trips(ROWS))
    assert (len(trips(found)), found.rejects, found.delivered, found.later) == (5, [], 5, 0)


@pytest.mark.parametrize(
    ("after", "kept"),
    [(None, ["t1", "t2", "t3"]), ("2013-09-01", ["t2", "t3"]), ("2013-09-03", []), ("2012-01-01", ["t1", "t2", "t3"])],
)
def test_a_period_begins_after_its_start_and_holds_its_end(after: str | None, kept: list[str]) -> None:
    found = admitted(Trips(ROWS), period(after))
    assert trips(found) == kept
    assert found.later == 1
    assert [(reason, record["trip"]) for reason, record in found.rejects] == [("start is missing", "t5")]


def test_no_record_falls_between_two_periods_or_into_both() -> None:
    borders = [None, "2013-09-01", "2013-09-02", "2013-09-03", "2013-09-04"]
    found = [admitted(Trips(ROWS), period(a, str(b))) for a, b in itertools.pairwise(borders)]
    assert [trip for one in found for trip in trips(one)] == ["t1", "t2", "t3", "t4"]


def test_a_period_of_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(SchemaError, match=r"trips has no column 'known' to say when. Given: trip, start, delay"):
        admitted(Trips(ROWS), Period("known", None, np.datetime64("2013-09-03", "us")))


@pytest.mark.parametrize("name", ["trip", "delay"])
def test_a_period_of_a_column_that_holds_no_moments_is_refused(name: str) -> None:
    with pytest.raises(SchemaError, match=rf"the column '{name}' of the source trips cannot say when"):
        admitted(Trips(ROWS), Period(name, None, np.datetime64("2013-09-03", "us")))


def test_what_the_source_set_aside_comes_along_and_counts_as_delivered() -> None:
    found = admitted(Trips([("t1", "yesterday", "5"), ROWS[0]], rejects=[("broken", "t9")]))
    assert [reason for reason, _ in found.rejects] == ["broken", "start is not of type timestamp"]
    assert (found.delivered, trips(found)) == (3, ["t1"])


def ended(start: Times) -> Times:
    return start + np.timedelta64(1, "h")


def test_columns_are_added_to_every_batch_and_may_say_when() -> None:
    source = Trips(ROWS[:2], ROWS[2:], [], adds=chain(ended))
    within = Period("ended", None, np.datetime64("2013-09-02T01:00", "us"))
    found = list(admit(source, "trips", WINDOW, within, ()))
    assert [trips(one) for one in found] == [["t1", "t2"], [], []]
    assert {str(one.table.schema.field("ended").type) for one in found} == {"timestamp[us, tz=UTC]"}
    assert found[0].table.column("ended").to_pylist()[0] == dt.datetime(2013, 9, 1, 1, tzinfo=dt.UTC)


def test_an_added_column_that_lacks_what_it_reads_is_named() -> None:
    def landed(arrival: Times) -> Times:
        return arrival

    with pytest.raises(ChainError, match=r"link 'landed' needs the column 'arrival'"):
        admitted(Trips(ROWS, adds=chain(landed)))


class TestTruth:
    """What will be known only later is not there, nor anything that was made of it."""

    def test_its_columns_are_emptied_and_keep_their_type(self) -> None:
        found = admitted(Trips(ROWS), period(None), truth=("delay",))
        assert found.table.column("delay").null_count == found.table.num_rows == 3
        assert found.table.schema.field("delay").type == pa.float64()

    def test_what_is_added_cannot_see_it(self) -> None:
        def arrived(start: Times, delay: Floats) -> Times:
            late = np.isfinite(delay)
            minutes = np.where(late, delay, 0).astype("timedelta64[m]")
            return np.where(late, start + minutes, np.datetime64("NaT"))

        source = Trips(ROWS, adds=chain(arrived))
        assert admitted(source).table.column("arrived").null_count < 5
        assert admitted(source, truth=("delay",)).table.column("arrived").null_count == 5

    def test_an_added_column_may_itself_be_truth(self) -> None:
        found = admitted(Trips(ROWS, adds=chain(ended)), truth=("ended", "delay"))
        assert found.table.column("ended").null_count == 5

    def test_a_column_that_is_not_there_is_named(self) -> None:
        with pytest.raises(SchemaError, match=r"trips has no column 'dleay'.*truth.*Given: trip, start, delay"):
            admitted(Trips(ROWS), truth=("dleay",))
