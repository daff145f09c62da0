from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_pipeline.connectors import CsvFiles, csv_files
from ml_pipeline.data.sources import Window
from ml_pipeline.errors import DataError, SchemaError

ALL = Window(None, dt.datetime(2013, 9, 1, tzinfo=dt.UTC))
TYPES = {"a": "int64", "b": "string"}


def read(path: Path, types: dict[str, str] = TYPES, **more: Any) -> tuple[list[tuple[Any, ...]], list[tuple[str, Any]]]:
    """All records as text, and what is no record."""
    records = list(CsvFiles(types, address=path, **more).read(ALL))
    table = pa.concat_tables([pa.table(record.batch) for record in records])
    assert table.column_names == list(types)
    rejects = [reject for record in records for reject in record.rejects]
    return [tuple(row.values()) for row in table.to_pylist()], rejects


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trips.csv"


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"a,b\n1,x\n2,y\n", [("1", "x"), ("2", "y")]),
        (b"a,b\r\n1,x\r\n", [("1", "x")]),
        (b"a,b\n1,x", [("1", "x")]),
        (b"\xef\xbb\xbfa,b\n1,x\n", [("1", "x")]),
        (b"b,c,a\nx,-,1\n", [("1", "x")]),
        (b'a,b\n1,"x, ""y"""\n', [("1", 'x, "y"')]),
        (b"a,b\n,NA\n", [(None, None)]),
        (b"a,b\n\n1,x\n\n", [("1", "x")]),
        ("a,b\n1,Zürich\n".encode(), [("1", "Zürich")]),
    ],
)
def test_records_are_read_as_text(file: Path, content: bytes, rows: list[Any]) -> None:
    file.write_bytes(content)
    assert read(file) == (rows, [])


def test_texts_that_mean_nothing_are_for_the_user_to_say(file: Path) -> None:
    file.write_bytes(b"a,b\n-,NA\n")
    assert read(file, missing=("-",)) == ([(None, "NA")], [])


def test_a_field_without_a_value_is_missing_whatever_else_is(file: Path) -> None:
    file.write_bytes(b'a,b\n,x\n1,""\n-,\n')
    assert read(file, missing=("-",)) == ([(None, "x"), ("1", None), (None, None)], [])


def test_a_column_may_be_called_otherwise_in_the_file(file: Path) -> None:
    file.write_bytes(b"Loan ID,b,more\n1,x,?\n2,y,?,\n")
    assert read(file, names={"a": "Loan ID"})[0] == [("1", "x")]
    assert read(file, {"b": "string"}, names={"a": "gone"})[0] == [("x",)]
    with pytest.raises(SchemaError, match=r"trips.csv lacks the column 'Loan-ID'. Given: Loan ID, b, more"):
        read(file, names={"a": "Loan-ID"})


def test_a_header_alone_holds_no_records(file: Path) -> None:
    """An empty snapshot would stand for all that was known before."""
    file.write_bytes(b"a,b\n")
    with pytest.raises(DataError, match=r"trips.csv holds no records. Given: .*one record or more"):
        read(file)


def test_of_many_files_one_may_be_without_records(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_bytes(b"a,b\n")
    (tmp_path / "2.csv").write_bytes(b"a,b\n1,x\n")
    assert read(tmp_path) == ([("1", "x")], [])


def test_a_broken_line_is_kept_and_the_others_are_read(file: Path) -> None:
    file.write_bytes(b"a,b\n1,x\n2,y,z\n3\n4,w\n")
    rows, rejects = read(file)
    assert rows == [("1", "x"), ("4", "w")]
    assert rejects == [
        ("the line has 3 fields instead of 2", "2,y,z"),
        ("the line has 1 fields instead of 2", "3"),
    ]


def test_where_every_line_is_broken_none_is_lost(file: Path) -> None:
    file.write_bytes(b"a,b\n1,x,3\n2,y,3\n")
    rows, rejects = read(file)
    assert rows == []
    assert [line for _, line in rejects] == ["1,x,3", "2,y,3"]


def test_a_broken_line_far_down_is_kept_too(file: Path) -> None:
    """The file is read in blocks of 8 MB; the last one holds broken lines alone."""
    long = b"x" * 100_000
    file.write_bytes(b"a,b\n" + b"1," + long + b"\n2," + long + b",\n" + (b"3," + long + b"\n") * 100 + b"4\n" * 3)
    rows, rejects = read(file)
    assert [row[0] for row in rows] == ["1"] + ["3"] * 100
    assert [line[:2] for _, line in rejects] == ["2,", "4", "4", "4"]


def test_a_quote_that_is_not_closed_swallows_nothing_unseen(file: Path) -> None:
    file.write_bytes(b'a,b\n1,"x\n2,y\n3,"z\n4,w\n')
    rows, rejects = read(file)
    seen = [row[0] for row in rows] + [line[0] for _, line in rejects]
    assert sorted(seen) == ["1", "2", "3", "4"]
    assert {reason for reason, _ in rejects} == {"a quote is not closed on its line"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quoted", ['"{},x,y', '{},"x,y', '{},x,"y'])
def test_every_line_that_a_quote_swallows_is_counted(file: Path, quoted: str, end: str) -> None:
    lines = [(quoted if row in (800, 1500) else "{},x,y").format(row) for row in range(2000)]
    file.write_bytes(end.join(["a,b,c", *lines[:900], "", *lines[900:], ""]).encode())
    rows, rejects = read(file, {"a": "int64", "b": "string", "c": "string"})
    assert len(rows) + len(rejects) == 2000
    assert {reason for reason, _ in rejects} == {"a quote is not closed on its line"}
    assert len(rejects) > 700


def test_what_only_python_calls_the_end_of_a_line_is_none(file: Path) -> None:
    file.write_bytes('a,b\n1,x\x0b\x85\u2028,3\n2,"\x0b\x85\u2028\n3,y\n'.encode())
    assert [reason for reason, _ in read(file)[1]] == [
        "the line has 3 fields instead of 2",
        *["a quote is not closed on its line"] * 2,
    ]


@pytest.mark.parametrize("quoted", ['"{},x,y', '{},"x,y', '{},x,"y'])
@pytest.mark.parametrize("at", range(0, 400, 13))
def test_in_a_file_of_many_blocks_no_line_is_lost(
    file: Path, monkeypatch: pytest.MonkeyPatch, quoted: str, at: int
) -> None:
    """Where the next block but one begins with the quote still open, Arrow gives up: that is said in words."""
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 1000)
    lines = [(quoted if row == at else "{},x,y").format(row) for row in range(400)]
    file.write_text("\n".join(["a,b,c", *lines[:7], "", "broken", *lines[7:], ""]))
    try:
        rows, rejects = read(file, {"a": "int64", "b": "string", "c": "string"})
    except DataError as error:
        said = str(error)
    else:
        said = "all is read" if len(rows) + len(rejects) == 401 else "some is lost"
    line = at + (2 if at < 7 else 3)
    stopped = f"a quote in trips.csv is not closed. Given: line {line}, where empty lines do not count"
    assert said == "all is read" if at > 300 else said.startswith(stopped) or (at > 200 and said == "all is read")


def test_bytes_that_are_no_text_set_their_record_aside(file: Path) -> None:
    file.write_bytes(b"a,b\n1,caf\xe9\n2,y\n")
    assert read(file) == ([("2", "y")], [("b is not UTF-8", {"a": "1", "b": "caf\\xe9"})])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,c\n1,x\n", r"trips.csv lacks the column 'b'. Given: a, c. Expected: a, b"),
        (b"a,b,a\n1,2,3\n", r"trips.csv has twice the column 'a'"),
    ],
)
def test_a_column_that_is_not_there_is_named(file: Path, content: bytes, says: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SchemaError, match=says):
        read(file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("a,b\n1,x\n".encode("utf-16"), "trips.csv is not UTF-8. Given: 'utf-8' codec", id="utf-16"),
        pytest.param(
            "a,b\n1,x\n".encode("utf-16-le"), "trips.csv is not UTF-8. Given: two or more bytes", id="no mark"
        ),
        pytest.param("ä,b\n1,x\n".encode("latin-1"), "trips.csv is not UTF-8. Given: 'utf-8' codec", id="latin-1"),
        pytest.param(b"a;b\n1;x\n", "the values of trips.csv are separated by semicolons. Given: a;b", id="semicolons"),
        pytest.param(b"a;b\n1,5;x\n", "the values of trips.csv are separated by semicolons", id="commas in numbers"),
        pytest.param(b"a\tb\n1\tx\n", "the values of trips.csv are separated by tabs", id="tabs"),
    ],
)
def test_a_file_as_another_program_writes_it(file: Path, content: bytes, says: str) -> None:
    file.write_bytes(content)
    with pytest.raises(DataError, match=says):
        read(file)
    with pytest.raises(DataError, match=says):
        CsvFiles({}).header(file)


def test_the_header_gives_the_names(file: Path) -> None:
    file.write_bytes(b"b,a,a\n1,2,3\n")
    assert CsvFiles({}).header(file) == ["b", "a", "a"]


def test_an_empty_file_is_no_csv_file(file: Path) -> None:
    file.write_bytes(b"")
    with pytest.raises(DataError, match=r"trips.csv cannot be read.*To do: deliver the file again"):
        read(file)


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(DataError, match=r"trips.csv cannot be read. Given: .*No such file"):
        read(file)


def archive(*members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for member in members:
            made.writestr(member, "a,b\n" + "1,x\n" * 5000)
    return buffer.getvalue()


def test_an_archive_of_one_file_is_read_through(tmp_path: Path) -> None:
    (tmp_path / "trips.csv.zip").write_bytes(archive("trips.csv"))
    rows, rejects = read(tmp_path / "trips.csv.zip")
    assert (len(rows), rejects) == (5000, [])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"a,b\n1,x\n", id="no archive"),
        pytest.param(archive(), id="no member"),
        pytest.param(archive("a.csv", "b.csv"), id="two members"),
        pytest.param(archive("a.csv")[:100], id="truncated"),
        pytest.param(archive("a.csv")[:45] + b"\xff" * 8 + archive("a.csv")[53:], id="damaged"),
    ],
)
def test_an_archive_that_is_not_whole_is_told_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "trips.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"trips.zip cannot be read"):
        read(tmp_path / "trips.zip")


TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6))
def test_what_a_csv_writer_writes_is_read_as_it_was(file: Path, rows: list[tuple[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([("a", "b"), *rows])
    assert read(file, missing=()) == (rows, [])
