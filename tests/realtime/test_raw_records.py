from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.columns import Category, Column, Columns, take
from ml_pipeline.connectors.json_records import JsonRecords
from ml_pipeline.data import arrow
from ml_pipeline.data.conform import conform
from ml_pipeline.errors import DataError, RejectedError
from ml_pipeline.realtime.raw_records import PLACE, RawRecords

TYPES = {"text": "string", "whole": "int64", "number": "float64", "yes": "bool", "at": "timestamp"}
READER: Any = SimpleNamespace(types=TYPES, adds=())
MOMENTS = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: moment.isoformat(" ", "seconds") + "Z"),
    st.datetimes().map(lambda moment: moment.isoformat() + "+05:30"),
    st.datetimes().map(lambda moment: f"{moment:%Y-%m-%d}"),
    st.sampled_from([
        "2013-02-29T00:00:00Z", "2013-01-01T24:00:00Z", "2013-01-01T00:00:60Z", "2013-01-01t00:00:00z",
        "2013-01-01T00:00:00.1234567Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
        "2013-01-01T00:00:00+0100", "2013-01-01T00:00:00+25:00", "2013-01-01T00:00", "2013-1-1",
        "2013-01-01T00:00:00Z\n", "0000-01-01T00:00:00Z", "soon", "",
    ]),
)  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(["1", "-2.5", "NaN", "inf", "Infinity", "true", "1e3", "", "NA", [], [1], {}, {"a": 1}]),
    MOMENTS,
)
OBJECTS = st.one_of(
    st.dictionaries(st.sampled_from([*TYPES, "more"]), VALUES),
    st.fixed_dictionaries({"whole": st.integers(-(2**63), 2**63 - 1), "number": st.floats(-9, 9), "at": MOMENTS}),
)


def bits(column: Column) -> list[Any]:
    """The values of a column; of numbers their bits, but 0.0 for -0.0, which has no text of its own, and one NaN."""
    if isinstance(column, Category):
        return column.values()
    return [
        value.tobytes()
        for value in (np.where(np.isnan(column), np.nan, column + 0.0) if column.dtype.kind == "f" else column)
    ]


def rows(columns: Columns) -> list[tuple[Any, ...]]:
    """All rows, by the names of `TYPES`."""
    return list(zip(*(bits(columns[name]) for name in TYPES), strict=True))


def in_batch(record: Any) -> tuple[Any, ...] | str:
    """What ingestion makes of a record in a JSON file: a row, or why there is none."""
    found = JsonRecords(TYPES, {}).records([record])
    table, rejects = conform(found.batch, TYPES, "source")
    return rows(arrow.to_columns(table))[0] if table.num_rows else [*found.rejects, *rejects][0][0]


def taken(body: bytes, reader: Any = READER, truth: Sequence[str] = ()) -> Any:
    return RawRecords(reader, "source", truth).of_json(body)


@given(st.lists(OBJECTS | VALUES, min_size=1, max_size=6))
def test_a_record_becomes_what_it_becomes_in_batch_whatever_its_neighbours_are(records: list[Any]) -> None:
    fates = dict(enumerate(in_batch(record) for record in records))
    try:
        found = taken(json.dumps(records).encode())
        made = dict(zip(np.asarray(found.columns[PLACE], int).tolist(), rows(found.columns), strict=True))
        made |= {each.record: each.reason for each in found.set_aside}
    except RejectedError as error:
        made = {each["record"]: each["reason"] for each in error.set_aside}
    assert made == fates


@given(st.lists(OBJECTS, min_size=1, max_size=4))
def test_alone_it_becomes_the_same(records: list[Any]) -> None:
    def fate(record: Any) -> Any:
        try:
            return rows(taken(json.dumps(record).encode()).columns)[0]
        except RejectedError as error:
            return error.set_aside[0]["reason"]

    assert [fate(record) for record in records] == [in_batch(record) for record in records]


@given(
    st.lists(st.fixed_dictionaries({"whole": st.integers(-(2**63), 2**63 - 1), "number": st.floats(-9, 9)}), min_size=1)
)
def test_an_arrow_stream_says_the_same(records: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(records)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    found = RawRecords(READER, "source").of_arrow(sink.getvalue().to_pybytes())
    assert rows(found.columns) == rows(taken(json.dumps(records).encode()).columns)


def test_a_zero_keeps_its_sign() -> None:
    assert np.signbit(taken(b'{"number": -0.0}').columns["number"][0])


def test_what_is_missing_or_null_has_no_value_and_other_fields_are_left_alone() -> None:
    found = taken(b'[{"more": [1]}, {"text": null, "at": null}]').columns
    assert rows(take(found, slice(0, 1))) == rows(take(found, slice(1, 2)))
    assert found["text"].values() == [None, None]


def test_what_is_truth_is_not_looked_at() -> None:
    found = taken(b'{"text": "a", "number": "none", "yes": {}}', truth=["number", "yes"])
    assert not found.set_aside
    assert np.isnan(found.columns["number"]).all()
    assert np.isnan(found.columns["yes"]).all()


def test_bad_records_are_set_aside_by_place_reason_and_column() -> None:
    found = taken(b'[{"whole": 1.5}, {"whole": 2}, 7, {"number": 1e999}, {"at": "soon", "text": 3}, {"text": 3}]')
    assert [(each.record, each.reason, each.column) for each in found.set_aside] == [
        (0, "whole is not of type int64", "whole"),
        (2, "the record is not an object", ""),
        (3, "the record is not JSON: Number out of range - at `$[...]`", ""),
        (4, "at is not of type timestamp", "at"),
    ]
    assert found.sent == 6
    assert found.columns["text"].values() == [None, "3"]
    assert found.columns[PLACE].tolist() == [1, 5]


def test_a_record_by_the_paths_of_its_source_or_by_its_columns() -> None:
    reader: Any = SimpleNamespace(types=TYPES, adds=(), paths={"text": "module.names[]", "whole": "module.count"})
    nested = b'{"module": {"names": ["a", "b"], "count": 3}, "number": 1}'
    flat = b'{"text": "a\\nb", "whole": 3, "number": 1.0}'
    assert rows(taken(b"[" + nested + b"," + flat + b"]", reader).columns) == [rows(taken(flat, reader).columns)[0]] * 2


def test_types_of_other_kinds_go_the_way_of_batch() -> None:
    reader: Any = SimpleNamespace(types={"small": "int32", "day": "date32"}, adds=())
    found = taken(b'[{"small": 3, "day": "2024-02-29"}, {"small": 3000000000}, {}]', reader)
    assert found.columns["small"].tolist()[0] == 3.0
    assert found.columns["day"].astype(str).tolist() == ["2024-02-29T00:00:00.000000", "NaT"]
    assert [each.reason for each in found.set_aside] == ["small is not of type int32"]


@pytest.mark.parametrize(
    ("body", "given_words"),
    [
        (b"", "truncated"),
        (b"what?", "malformed"),
        (b"3", "JSON of a int"),
        (b"null", "JSON of a NoneType"),
        (b'[{"number": NaN}]', "malformed"),
        (b'{"number": Infinity}', "malformed"),
        (b'[{"text": "\\ud800"}]', "truncated"),
        (b'[{"text": "a"}', "truncated"),
        (b"[" * 10_000_000, "brackets within brackets"),
        (b'{"text":' * 1_000_000, "brackets within brackets"),
        (b"\x1f\x8b", ""),
    ],
)
def test_what_is_no_json_of_records_is_refused_in_words(body: bytes, given_words: str) -> None:
    with pytest.raises(DataError, match="the body holds no records of source") as caught:
        taken(body)
    assert given_words in caught.value.given
    assert len(caught.value.given) < 200


def test_nothing_sent_is_nothing_taken() -> None:
    assert taken(b" [ ] ").sent == 0


def test_a_byte_order_mark_and_spaces_are_nothing() -> None:
    assert taken(b"\xef\xbb\xbf" + b" " * 100 + b'[{"whole": 1}]').columns["whole"].tolist() == [1.0]


@pytest.mark.parametrize("body", [b"", b"what?", b"\0" * 64, b"\xff\xff\xff\xff" * 9])
def test_what_is_no_arrow_stream_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(DataError, match="the body holds no records of source"):
        RawRecords(READER, "source").of_arrow(body)


def test_a_column_twice_in_an_arrow_stream_is_refused() -> None:
    table = pa.table([[1], [2]], names=["whole", "whole"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DataError, match="no records of source"):
        RawRecords(READER, "source").of_arrow(sink.getvalue().to_pybytes())
