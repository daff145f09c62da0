"""Finding and opening files, whatever the format: by the CSV reader, on a folder and on a real S3 server."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.artifacts.store import Store
from ml_pipeline.connectors import CsvFiles, JsonFiles, ParquetFiles
from ml_pipeline.data.sources import Window
from ml_pipeline.errors import DataError, NotFoundError, SchemaError, UsageError

UNTIL = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
TYPES = {"a": "int64", "b": "string"}


def csv(*rows: str) -> bytes:
    return "".join(f"{row}\n" for row in ("a,b", *rows)).encode()


def zipped(content: bytes, **more: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **more) as archive:
        archive.writestr("trips.csv", content)
    return buffer.getvalue()


def at(store: Store, key: str = "") -> str:
    return store.address(key)


def test_all_files_of_a_folder_are_read_by_name_at_any_depth(store: Store, read: Callable[..., Any]) -> None:
    store.put("in/b.csv", csv("3,z"))
    store.put("in/a/2.csv.gz", gzip.compress(csv("2,y")))
    store.put("in/a/1.csv.zip", zipped(csv("1,x")))
    for name in ("in/notes.txt", "in/_SUCCESS", "in/_old/c.csv", "in/.d.csv", "inner/e.csv", "f.csv"):
        store.put(name, csv("9,no"))
    table, rejects = read(CsvFiles(TYPES, address=at(store, "in")))
    assert table.to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 3, "b": "z"}]
    assert rejects == []


def test_one_file_may_have_any_name(store: Store, read: Callable[..., Any]) -> None:
    store.put("in/export", csv("1,x"))
    table, _ = read(CsvFiles(TYPES, address=at(store, "in/export")))
    assert table.to_pylist() == [{"a": 1, "b": "x"}]


def test_a_folder_may_be_called_like_a_file(store: Store, read: Callable[..., Any]) -> None:
    store.put("trips.csv/part-0.csv", csv("1,x"))
    store.put("trips.csv/part-1.csv", csv("2,y"))
    assert read(CsvFiles(TYPES, address=at(store, "trips.csv")))[0].num_rows == 2


def test_a_folder_without_files_of_the_format_is_told(store: Store, batches: Callable[..., Any]) -> None:
    store.put("in/a.parquet", b"")
    with pytest.raises(DataError, match=r"there are no files to read.*\*\.csv, plain, \.gz or \.zip") as caught:
        batches(CsvFiles(TYPES, address=at(store, "in")))
    assert at(store, "in") in caught.value.given


@pytest.mark.store
def test_what_is_not_in_the_store_is_told(s3: Store, batches: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match="there are no files to read"):
        batches(CsvFiles(TYPES, address=at(s3, "none.csv")))
    with pytest.raises(NotFoundError, match="the bucket is not there"):
        batches(CsvFiles(TYPES, address="s3://no-such-bucket/in"))


def test_the_address_of_the_window_comes_first(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes(csv("1,own"))
    (tmp_path / "asked.csv").write_bytes(csv("2,asked"))
    source = CsvFiles(TYPES, address=tmp_path / "own.csv")
    for address, word in (("", "own"), (str(tmp_path / "asked.csv"), "asked")):
        first = next(source.read(Window(None, UNTIL, address)))
        assert first.batch.column("b").to_pylist() == [word]


def test_without_any_address_pipeline_yaml_is_to_give_one(batches: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=r"give the source an address in pipeline.yaml"):
        batches(CsvFiles(TYPES))


def test_a_folder_gives_the_column_that_its_files_lack(store: Store, read: Callable[..., Any]) -> None:
    store.put("day=2024-01-01/site=New%20York/part-0.csv", csv("1,x"))
    store.put("day=__HIVE_DEFAULT_PARTITION__/site=Rome/part-0.csv", csv("2,y"))
    store.put("day=2024-01-03/site=Rome/part-0.csv", b"a,day\n3,2020-12-31\n")
    types = {"day": "date32", "a": "int64", "site": "string"}
    table, _ = read(CsvFiles(types, address=at(store).rstrip("/")))
    assert table.column_names == list(types)
    assert [str(day) for day in table.column("day").to_pylist()] == ["2024-01-01", "2020-12-31", "None"]
    assert table.column("site").to_pylist() == ["New York", "Rome", "Rome"]


def test_a_folder_gives_no_column_that_nobody_wants(tmp_path: Path, batches: Callable[..., Any]) -> None:
    (tmp_path / "day=1").mkdir()
    (tmp_path / "day=1/a.csv").write_bytes(b"a\n1\n")
    with pytest.raises(SchemaError, match=r"day=1/a.csv lacks the column 'b'"):
        batches(CsvFiles(TYPES, address=tmp_path))


def test_records_that_a_program_made_up_are_called_so(tmp_path: Path, batches: Callable[..., Any]) -> None:
    (tmp_path / "a.csv").write_bytes(csv("1,x"))
    assert all(records.synthetic for records in batches(CsvFiles(TYPES, address=tmp_path, synthetic=True)))
    assert not any(records.synthetic for records in batches(CsvFiles(TYPES, address=tmp_path)))


ENCRYPTED = bytearray(zipped(csv("1,x")))
ENCRYPTED[6] |= 1
ENCRYPTED[ENCRYPTED.index(b"PK\x01\x02") + 8] |= 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(csv("1,x"))[:-9]),
        ("a.csv.gz", csv("1,x")),
        ("a.csv.gz", b""),
        ("a.csv.zip", bytes(ENCRYPTED)),
    ],
    ids=["gzip cut short", "no gzip", "empty gzip", "encrypted"],
)
@pytest.mark.parametrize("form", [CsvFiles, JsonFiles, ParquetFiles])
def test_a_file_that_cannot_be_unpacked_is_named(
    tmp_path: Path, batches: Callable[..., Any], form: Any, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name} cannot be read.*deliver the file again"):
        batches(form(TYPES, address=tmp_path / name))


@pytest.mark.parametrize("form", [CsvFiles, JsonFiles, ParquetFiles])
def test_a_missing_file_is_named(tmp_path: Path, batches: Callable[..., Any], form: Any) -> None:
    with pytest.raises(DataError, match=r"trips cannot be read. Given: .*No such file.*correct its address"):
        batches(form(TYPES, address=tmp_path / "trips"))


@pytest.mark.store
def test_a_large_object_is_streamed(s3: Store, monkeypatch: pytest.MonkeyPatch, batches: Callable[..., Any]) -> None:
    """Never asked for whole, and what is asked for at once does not grow with it."""
    s3.put("large.csv", csv(*(f"{row},{'x' * 1_000}" for row in range(20_000))))
    monkeypatch.setattr(Store, "get", None)
    given = batches(CsvFiles(TYPES, address=at(s3, "large.csv")))
    assert sum(records.batch.num_rows for records in given) == 20_000
    assert max(records.batch.nbytes for records in given) < 9 << 20
