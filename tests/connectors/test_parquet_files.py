"""Parquet files: batches of bounded size, wanted columns only, and files that are none."""

from __future__ import annotations

import datetime as dt
import gzip
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_pipeline.artifacts.store import Store
from ml_pipeline.connectors import ParquetFiles
from ml_pipeline.data.parquet import ROWS_PER_PART
from ml_pipeline.data.sources import Window
from ml_pipeline.errors import DataError, SchemaError

TYPES = {"a": "int64", "b": "string"}


def parquet(table: pa.Table, **more: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **more)
    return sink.getvalue()


def test_partitioned_folders_are_read_as_one_table(store: Store, read: Callable[..., Any]) -> None:
    for day in (2, 1):
        table = pa.table({"b": [f"x{day}"], "c": [0.5], "a": pa.array([day], pa.int32())})
        store.put(f"trips/day=2024-01-0{day}/part-0.parquet", parquet(table))
    table, rejects = read(ParquetFiles({**TYPES, "day": "string"}, address=store.address("trips")))
    assert table.to_pylist() == [
        {"a": 1, "b": "x1", "day": "2024-01-01"},
        {"a": 2, "b": "x2", "day": "2024-01-02"},
    ]
    assert rejects == []


def test_a_row_group_larger_than_a_batch_comes_in_several(tmp_path: Path, batches: Callable[..., Any]) -> None:
    rows = 2 * ROWS_PER_PART + 5
    table = pa.table({"a": range(rows), "b": ["x"] * rows})
    (tmp_path / "a.parquet").write_bytes(parquet(table, row_group_size=rows))
    given = batches(ParquetFiles(TYPES, address=tmp_path))
    assert max(records.batch.num_rows for records in given) == ROWS_PER_PART
    assert pa.concat_tables([records.batch for records in given]).column("a").to_pylist() == list(range(rows))


@pytest.mark.store
def test_of_a_large_file_only_wanted_columns_are_fetched(s3: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 256, (200_000, 100), np.uint8)
    table = pa.table({"a": range(200_000), "noise": pa.array([row.tobytes() for row in noise])})
    s3.put("a.parquet", parquet(table, compression="none"))
    fetched = []
    stored = Store.reader

    def counted(self: Store, key: str) -> Any:
        file = stored(self, key)
        fetch = file.raw._fetch  # type: ignore[attr-defined]
        file.raw._fetch = lambda start, end: fetched.append(end - start) or fetch(start, end)  # type: ignore[attr-defined]
        return file

    monkeypatch.setattr(Store, "reader", counted)
    source = ParquetFiles({"a": "int64"}, address=s3.address("a.parquet"))
    assert (
        sum(records.batch.num_rows for records in source.read(Window(None, dt.datetime(2024, 6, 1, tzinfo=dt.UTC))))
        == 200_000
    )
    assert sum(fetched) < 8 << 20


def test_a_file_without_rows_is_a_mistake_unless_another_has_some(tmp_path: Path, batches: Callable[..., Any]) -> None:
    empty = pa.table({"b": pa.array([], pa.string()), "a": pa.array([], pa.int64())})
    (tmp_path / "a.parquet").write_bytes(parquet(empty))
    with pytest.raises(DataError, match="holds no records"):
        batches(ParquetFiles(TYPES, address=tmp_path))
    (tmp_path / "b.parquet").write_bytes(parquet(pa.table({"b": ["x"], "a": [1]})))
    assert [records.batch.num_rows for records in batches(ParquetFiles(TYPES, address=tmp_path))] == [0, 0, 1]


def test_the_types_of_other_writers_become_those_that_are_promised(tmp_path: Path, read: Callable[..., Any]) -> None:
    moment = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    table = pa.table({
        "dose": pa.array([Decimal("1.5"), None], pa.decimal128(9, 3)),
        "arm": pa.array(["a", "b"]).dictionary_encode(),
        "known": pa.array([moment, None], pa.timestamp("ns", "Europe/Amsterdam")),
        "count": pa.array([1.0, 2.5]),
    })  # fmt: skip
    (tmp_path / "a.parquet").write_bytes(parquet(table))
    types = {"dose": "float64", "arm": "string", "known": "timestamp", "count": "int64"}
    good, rejects = read(ParquetFiles(types, address=tmp_path))
    assert good.to_pylist() == [{"dose": 1.5, "arm": "a", "known": moment, "count": 1}]
    assert [reason for reason, _ in rejects] == ["count is not of type int64"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_may_be_packed_once_more(tmp_path: Path, read: Callable[..., Any], pack: Any) -> None:
    name = "a.parquet" if pack is bytes else "a.parquet.gz"
    (tmp_path / name).write_bytes(pack(parquet(pa.table({"a": [1], "b": ["x"]}))))
    assert read(ParquetFiles(TYPES, address=tmp_path))[0].to_pylist() == [{"a": 1, "b": "x"}]


GOOD = parquet(pa.table({"a": range(1000), "b": ["x"] * 1000}), compression="zstd")


@pytest.mark.parametrize(
    "content",
    [b"", b"a,b\n1,x\n", GOOD[:-1], GOOD[:100], GOOD[:4] + b"\xff" * 200 + GOOD[204:]],
    ids=["empty", "CSV", "last byte lacking", "cut short", "damaged"],
)
def test_a_file_that_is_no_whole_parquet_file_is_told(
    tmp_path: Path, batches: Callable[..., Any], content: bytes
) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"a.parquet cannot be read.*Expected: a Parquet file"):
        batches(ParquetFiles(TYPES, address=tmp_path))


def test_a_column_that_is_not_there_is_named(tmp_path: Path, batches: Callable[..., Any]) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet(pa.table({"a": [1], "c": ["x"]})))
    with pytest.raises(SchemaError, match=r"a.parquet lacks the column 'b'. Given: a, c"):
        batches(ParquetFiles(TYPES, address=tmp_path))
