"""Files of JSON: whole documents and lines."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.artifacts.store import Store
from ml_pipeline.connectors import JsonFiles
from ml_pipeline.connectors.json_files import RECORDS_PER_BATCH
from ml_pipeline.errors import DataError

TYPES = {"id": "string", "size": "int64"}
PATHS = {"id": "about.id", "size": "about.size"}
REAL = Path(__file__).parents[2] / "../shared/data/ctgov"


def one(number: int) -> dict[str, Any]:
    return {"about": {"id": f"N{number}", "size": number}}


@pytest.fixture
def rows(tmp_path: Path, read: Callable[..., Any]) -> Callable[..., Any]:
    """What a file of this name and content gives: its ids, and what is set aside."""

    def written(name: str, content: bytes | str, **more: Any) -> tuple[list[Any], list[Any]]:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        table, rejects = read(JsonFiles(TYPES, paths=PATHS, address=tmp_path / name, **more))
        return table.column("id").to_pylist(), rejects

    return written


@pytest.mark.parametrize(
    ("name", "content", "ids"),
    [
        ("a.json", json.dumps([one(1), one(2)]), ["N1", "N2"]),
        ("a.json", json.dumps(one(1)), ["N1"]),
        ("a.json", "\ufeff" + json.dumps([one(1)]), ["N1"]),
        ("a.jsonl", json.dumps(one(1)) + "\n\n" + json.dumps(one(2)), ["N1", "N2"]),
        ("a.ndjson", json.dumps(one(1)) + "\r\n", ["N1"]),
        ("a.jsonl", "\ufeff" + json.dumps(one(1)) + "\n", ["N1"]),
        pytest.param("a.jsonl.gz", gzip.compress(json.dumps(one(1)).encode()), ["N1"], id="packed"),
    ],
)
def test_records_are_read(rows: Callable[..., Any], name: str, content: Any, ids: list[str]) -> None:
    assert rows(name, content) == (ids, [])


@pytest.mark.parametrize(("name", "content"), [("a.json", "[]"), ("a.jsonl", "")])
def test_no_records_at_all_are_a_mistake(rows: Callable[..., Any], name: str, content: str) -> None:
    with pytest.raises(DataError, match="holds no records"):
        rows(name, content)


@pytest.mark.parametrize("content", [{"studies": [one(1)], "next": "x"}, [one(1)]])
def test_an_object_may_hold_the_records_under_a_key(rows: Callable[..., Any], content: Any) -> None:
    assert rows("a.json", json.dumps(content), records="studies") == (["N1"], [])


def test_a_folder_of_both_kinds_is_read_by_name(store: Store, read: Callable[..., Any]) -> None:
    store.put("in/2.json", json.dumps([one(2)]).encode())
    store.put("in/1/part.jsonl.gz", gzip.compress(json.dumps(one(1)).encode()))
    store.put("in/3.ndjson", json.dumps(one(3)).encode())
    table, _ = read(JsonFiles(TYPES, paths=PATHS, address=store.address("in")))
    assert table.to_pylist() == [{"id": f"N{number}", "size": number} for number in (1, 2, 3)]


def test_a_folder_gives_a_column(tmp_path: Path, read: Callable[..., Any]) -> None:
    (tmp_path / "day=2024-01-01").mkdir()
    (tmp_path / "day=2024-01-01/a.json").write_text('[{"id": "N1"}]')
    table, _ = read(JsonFiles({"id": "string", "day": "string"}, address=tmp_path))
    assert table.to_pylist() == [{"id": "N1", "day": "2024-01-01"}]


def test_lines_that_are_no_records_are_set_aside(rows: Callable[..., Any]) -> None:
    lines = [json.dumps(one(1)).encode(), b'{"about": {', b'{"about": "caf\xe9"}', b"[1]", b"[" * 5000, b'{"about": 1}']
    ids, rejects = rows("a.jsonl", b"\n".join([*lines, json.dumps(one(2)).encode()]))
    assert ids == ["N1", "N2"]
    assert rejects == [
        ("the line is not JSON", '{"about": {'),
        ("the line is not JSON", '{"about": "caf\\xe9"}'),
        ("the record is not an object", [1]),
        ("the line is not JSON", "[" * 5000),
        ("id is not of type string", {"about": 1}),
    ]


def test_a_number_that_is_none_sets_its_record_aside(rows: Callable[..., Any]) -> None:
    ids, rejects = rows("a.json", json.dumps([one(1), {"about": {"id": "N2", "size": "many"}}]))
    assert ids == ["N1"]
    assert rejects == [("size is not of type int64", {"id": "N2", "size": "many"})]


@pytest.mark.parametrize("content", ["", "[1, 2", "NaN", '[{"id": "caf\xe9"}]'.encode("latin-1"), "<html>"])
def test_a_document_that_is_no_json_is_told(rows: Callable[..., Any], content: Any) -> None:
    with pytest.raises(DataError, match=r"a.json cannot be read.*Expected: a JSON file"):
        rows("a.json", content)


@pytest.mark.parametrize(
    ("content", "more"),
    [('{"other": []}', {"records": "studies"}), ('{"studies": {}}', {"records": "studies"}), ("1", {})],
)
def test_a_document_without_records_is_told(rows: Callable[..., Any], content: str, more: Any) -> None:
    with pytest.raises(DataError, match=r"a.json holds no records"):
        rows("a.json", content, **more)


def test_many_lines_come_in_batches_of_bounded_size(tmp_path: Path, batches: Callable[..., Any]) -> None:
    count = 2 * RECORDS_PER_BATCH + 1
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(one(number))}\n" for number in range(count)))
    sizes = [records.batch.num_rows for records in batches(JsonFiles(TYPES, paths=PATHS, address=tmp_path))]
    assert sizes == [RECORDS_PER_BATCH, RECORDS_PER_BATCH, 1]


@pytest.mark.skipif(not REAL.is_dir(), reason="the captured studies are not on this machine")
def test_real_studies_of_clinicaltrials_gov_are_read(read: Callable[..., Any]) -> None:
    module = "protocolSection"
    paths = {
        "nct_id": f"{module}.identificationModule.nctId",
        "phases": f"{module}.designModule.phases[]",
        "interventions": f"{module}.armsInterventionsModule.interventions[].type",
        "enrollment": f"{module}.designModule.enrollmentInfo.count",
        "healthy": f"{module}.eligibilityModule.healthyVolunteers",
        "meshes": "derivedSection.conditionBrowseModule.meshes[].term",
    }
    types = dict.fromkeys(paths, "string") | {"enrollment": "int64", "healthy": "bool"}
    table, rejects = read(JsonFiles(types, paths=paths, address=REAL))
    assert (table.num_rows, rejects) == (378, [])
    assert table.column("nct_id").null_count <= 1
    assert {"PHASE1\nPHASE2", "PHASE2"} <= set(table.column("phases").to_pylist())
    assert set(table.column("healthy").to_pylist()) == {True, False, None}
