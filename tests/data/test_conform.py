from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.data.conform import conform
from ml_pipeline.errors import SchemaError

NOON = dt.datetime(2013, 9, 1, 12, tzinfo=dt.UTC)
TYPES = {"n": "int64", "x": "float64", "w": "string"}


def fitted(values: Any, kind: str) -> tuple[list[Any], list[Any]]:
    """The good values, and the bad ones."""
    table, rejects = conform(pa.table({"v": values}), {"v": kind}, "s")
    assert {reason for reason, _ in rejects} <= {f"v is not of type {kind}"}
    return table.column("v").to_pylist(), [record["v"] for _, record in rejects]


def test_the_promised_columns_in_the_promised_order_and_types() -> None:
    given = pa.table({"w": ["a"], "more": [1], "x": ["1.5"], "n": ["7"]})
    table, rejects = conform(given, TYPES, "s")
    assert table.schema == pa.schema([("n", pa.int64()), ("x", pa.float64()), ("w", pa.string())])
    assert table.to_pylist() == [{"n": 7, "x": 1.5, "w": "a"}]
    assert rejects == []


def test_a_missing_column_is_named_with_what_is_there() -> None:
    with pytest.raises(SchemaError, match=r"the source sky lacks the column 'x'. Given: n, w. Expected: n, x, w."):
        conform(pa.table({"n": [1], "w": ["a"]}), TYPES, "sky")


def test_a_type_that_is_none_is_named() -> None:
    with pytest.raises(SchemaError, match=r"sky promises a type that is none. Given: integer. Expected: string, int64"):
        conform(pa.table({"n": [1]}), {"n": "integer"}, "sky")


def test_the_value_that_does_not_fit_comes_first_in_what_is_shown() -> None:
    given = pa.table({"n": ["1", "2"], "x": ["1", "n/a"], "w": ["a", "b"]})
    ((reason, record),) = conform(given, TYPES, "s")[1]
    assert (reason, str(record)) == ("x is not of type float64", "{'x': 'n/a', 'n': '2', 'w': 'b'}")


def test_a_misfit_is_set_aside_with_the_first_reason_and_the_whole_record_as_it_came() -> None:
    given = pa.table({"n": ["1", "two", "3", "four"], "x": ["1", "2", "y", "z"], "w": ["a", "b", None, "d"]})
    table, rejects = conform(given, TYPES, "s")
    assert table.column("n").to_pylist() == [1]
    assert rejects == [
        ("n is not of type int64", {"n": "two", "x": "2", "w": "b"}),
        ("x is not of type float64", {"n": "3", "x": "y", "w": None}),
        ("n is not of type int64", {"n": "four", "x": "z", "w": "d"}),
    ]


@pytest.mark.parametrize(
    ("values", "kind", "good", "bad"),
    [
        (pa.array(["1", None, "x", "1.5", ""]), "int64", [1, None], ["x", "1.5", ""]),
        (pa.array(["1", "1e3", "-0.5", "one"]), "float64", [1.0, 1000.0, -0.5], ["one"]),
        (pa.array([1.0, 2.5]), "int64", [1], [2.5]),
        (pa.array([1, 2]), "string", ["1", "2"], []),
        (pa.array(["true", "0", "yes"]), "bool", [True, False], ["yes"]),
        (pa.array([None, None]), "float64", [None, None], []),
        (pa.array(["1", "x"]).dictionary_encode(), "float64", [1.0], ["x"]),
        (pa.array([[1], None]), "int64", [None], [[1]]),
        (pa.array([b"\xff", b"a"]), "string", ["a"], ["\\xff"]),
        (pa.array([2**63 - 1, 1]), "int32", [1], [2**63 - 1]),
    ],
)
def test_values_that_fit_and_values_that_do_not(values: Any, kind: str, good: Any, bad: Any) -> None:
    assert fitted(values, kind) == (good, bad)


@pytest.mark.parametrize("kind", ["int64", "string", "bool"])
def test_not_a_number_is_a_missing_value(kind: str) -> None:
    good, bad = fitted(pa.array(np.array([1.0, np.nan])), kind)
    assert good[1] is None
    assert bad == []


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["2013-09-01T12:00:00Z"]),
        pa.array(["2013-09-01 14:00:00+02:00"]),
        pa.array([NOON], pa.timestamp("ns", "America/New_York")),
        pa.array([NOON.replace(tzinfo=None)], pa.timestamp("s")),
    ],
)
def test_a_moment_of_any_form_is_stored_in_utc(values: Any) -> None:
    assert fitted(values, "timestamp") == ([NOON], [])


@pytest.mark.parametrize("text", ["2013-09-01T12:00:00", "2013-09-01 12:00", "2013-09-01T14:00:00+02:00"])
def test_text_without_an_offset_is_a_moment_in_utc(text: str) -> None:
    assert fitted(pa.array([text, "noon"]), "timestamp") == ([NOON], ["noon"])


def test_a_day_is_its_first_moment() -> None:
    assert fitted(pa.array(["2013-09-01"]), "timestamp")[0] == [NOON.replace(hour=0)]


def test_a_column_that_is_wrong_from_top_to_bottom_loses_no_record() -> None:
    table, rejects = conform(pa.table({"n": [f"no {row}" for row in range(300)]}), {"n": "int64"}, "s")
    assert table.num_rows == 0
    assert table.schema.field("n").type == pa.int64()
    assert [record["n"] for _, record in rejects] == [f"no {row}" for row in range(300)]


def test_no_rows_have_the_types_all_the_same() -> None:
    table, rejects = conform(pa.table({name: pa.array([], pa.string()) for name in TYPES}), TYPES, "s")
    assert [str(kind) for kind in table.schema.types] == ["int64", "double", "string"]
    assert rejects == []


@settings(max_examples=40)
@given(st.lists(st.tuples(st.none() | st.sampled_from(["1", "2", "x", "", "1.5"]), st.none() | st.text(max_size=2))))
def test_every_record_ends_on_one_side_and_can_be_written_down(rows: list[tuple[str | None, str | None]]) -> None:
    number, word = (pa.array([row[at] for row in rows], pa.string()) for at in (0, 1))
    batch = pa.table({"n": number, "w": word}).to_batches()[0] if rows else pa.table({"n": number, "w": word})
    table, rejects = conform(batch, {"n": "int64", "w": "string"}, "s")
    good = [row for row in rows if row[0] in (None, "1", "2")]
    assert table.to_pylist() == [{"n": None if n is None else int(n), "w": w} for n, w in good]
    assert [(record["n"], record["w"]) for _, record in rejects] == [row for row in rows if row not in good]
    json.dumps([record for _, record in rejects])
