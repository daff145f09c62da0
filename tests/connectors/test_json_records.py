"""Nested objects made rows: paths, lists, and what has another shape."""

from __future__ import annotations

from typing import Any

import pytest

from ml_pipeline.connectors.json_records import Broken, JsonRecords
from ml_pipeline.data.conform import Rejects, conform
from ml_pipeline.errors import UsageError


def flat(path: str, *records: Any, kind: str = "string") -> tuple[list[Any], Rejects]:
    """What a column holds in the end, and what is set aside."""
    types = {"it": kind}
    found = JsonRecords(types, {"it": path}).records(records)
    table, rejects = conform(found.batch, types, "it")
    return table.column("it").to_pylist(), [*found.rejects, *rejects]


@pytest.mark.parametrize(
    ("path", "record", "value"),
    [
        ("a", {"a": "x"}, "x"),
        ("a.b.c", {"a": {"b": {"c": "x"}}}, "x"),
        ("a.b.c", {"a": {"b": {}}}, None),
        ("a.b.c", {"a": {"b": None}}, None),
        ("a.b.c", {"a": {}}, None),
        ("a.b.c", {}, None),
        ("a", {"a": None}, None),
        ("a", {"a": True}, "true"),
        ("a", {"a": False}, "false"),
        ("a", {"a": 7}, "7"),
        ("a", {"a": 0.1}, "0.1"),
        ("a", {"a": "two\nlines"}, "two\nlines"),
        ("a[]", {"a": ["x", "y"]}, "x\ny"),
        ("a[]", {"a": ["two\nlines", "y", None, True, 1]}, "two lines\ny\ntrue\n1"),
        ("a[]", {"a": []}, None),
        ("a[]", {}, None),
        ("a[].b", {"a": [{"b": "x"}, {}, {"b": "y"}]}, "x\ny"),
        ("a[].b[]", {"a": [{"b": ["x", "y"]}, {"b": ["z"]}]}, "x\ny\nz"),
        ("a[].b.c", {"a": [{"b": {"c": "x"}}, {"b": {}}]}, "x"),
    ],
)
def test_a_path_leads_to_a_text(path: str, record: Any, value: str | None) -> None:
    assert flat(path, record) == ([value], [])


@pytest.mark.parametrize(
    ("path", "record"),
    [
        ("a", {"a": {"b": "x"}}),
        ("a", {"a": ["x"]}),
        ("a.b", {"a": "x"}),
        ("a.b", {"a": [{"b": "x"}]}),
        ("a[]", {"a": "x"}),
        ("a[]", {"a": {"b": "x"}}),
        ("a[]", {"a": [["x"]]}),
        ("a[]", {"a": [{"b": "x"}]}),
        ("a[].b", {"a": ["x"]}),
    ],
)
def test_another_shape_sets_just_its_record_aside(path: str, record: Any) -> None:
    assert flat(path, {}, record, {}) == ([None, None], [("it is not of type string", record)])


@pytest.mark.parametrize("record", ["x", 1, None, True, ["x"]])
def test_what_is_no_object_is_no_record(record: Any) -> None:
    assert flat("a", record, {"a": "x"}) == (["x"], [("the record is not an object", record)])


def test_what_was_no_json_keeps_its_reason() -> None:
    assert flat("a", Broken("the line is not JSON", "{")) == ([], [("the line is not JSON", "{")])


@pytest.mark.parametrize(
    ("kind", "given", "good", "bad"),
    [
        ("int64", [1, "2", 3.0, 2.5, "x", True, 2**70, None], [1, 2, 3, None], ["2.5", "x", "true", str(2**70)]),
        ("float64", [1, "2", 0.1, 1e300, "x", False], [1.0, 2.0, 0.1, 1e300], ["x", "false"]),
        ("bool", [True, "false", 2, "x"], [True, False], ["2", "x"]),
    ],
)
def test_numbers_and_texts_may_come_mixed(kind: str, given: list[Any], good: list[Any], bad: list[str]) -> None:
    values, rejects = flat("a", *({"a": value} for value in given), kind=kind)
    assert values == good
    assert rejects == [(f"it is not of type {kind}", {"it": text}) for text in bad]
    for value in given:  # and alone no other than among others
        alone, aside = flat("a", {"a": value}, kind=kind)
        assert len(alone) + len(aside) == 1
        assert set(map(str, alone)) <= set(map(str, good))


def test_without_a_path_the_name_is_the_key_even_with_a_dot() -> None:
    table = JsonRecords({"a.b": "string"}, {}).records([{"a.b": "x", "a": {"b": "y"}}]).batch
    assert table.to_pylist() == [{"a.b": "x"}]


def test_a_path_of_no_column_is_a_slip_of_the_pen() -> None:
    with pytest.raises(UsageError, match="there is a path for 'nct', which is no column"):
        JsonRecords({"nct_id": "string"}, {"nct": "a.b"})


def test_no_records_are_a_table_without_rows() -> None:
    table = JsonRecords({"a": "string", "b": "int64"}, {}).records([]).batch
    assert (table.column_names, table.num_rows) == (["a", "b"], 0)
