"""What no contender can be faster than: reading what must be read, and writing what must be written, unchanged."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks import data, judging
from tests.benchmarks.judging import Judge, Place, Work

SCORED = (data.KEY, data.TIME, "moment", data.NUMBERS[-1])
"""As many columns as predictions have: one of the numbers in place of the prediction."""


def train(place: Place) -> Work:
    """Decode the numbers and the label."""
    return _decode(place, [*data.NUMBERS, data.LABEL])


def wide(place: Place) -> Work:
    """Decode the numbers, the categories and the label."""
    return _decode(place, [*data.NUMBERS, *data.LEVELS, data.LABEL])


def combine(place: Place) -> Work:
    """Read the joined table and write it."""
    return _copy(place, "joined", lambda table: table)


def prepare(place: Place) -> Work:
    """Read the raw table and write it."""
    return _copy(place, "raw", lambda table: table)


def score(place: Place) -> Work:
    """Read what a model needs and write as much as its predictions are."""
    return _copy(place, "events", lambda table: table.select(SCORED), [*SCORED, *data.NUMBERS, *data.LEVELS])


def _decode(place: Place, columns: Sequence[str]) -> Work:
    files = data.files(place.data, "events")

    def work() -> Judge:
        _in_threads(lambda path: _read(path, columns), files)
        return judging.nothing

    return work


def _copy(
    place: Place, name: str, chosen: Callable[[pa.Table], pa.Table], columns: Sequence[str] | None = None
) -> Work:
    files = data.files(place.data, name)
    wanted = None if columns is None else list(dict.fromkeys(columns))

    def copy(path: Path) -> None:
        table = chosen(_read(path, wanted))
        pq.write_table(table, place.output / path.name, compression="zstd", **_encodings(table))

    def work() -> Judge:
        _in_threads(copy, files)
        return partial(judging.size, judging.parts(place.output))

    return work


def _encodings(table: pa.Table) -> dict[str, Any]:
    """The fastest that were found: dictionaries for levels alone, the bytes of short numbers apart."""
    levels = [name for name in data.LEVELS if name in table.column_names]
    short = [name for name in data.NUMBERS[: len(data.NUMBERS) // 2] if name in table.column_names]
    return {"use_dictionary": levels or False, "use_byte_stream_split": short or False}


def _read(path: Path, columns: Sequence[str] | None) -> pa.Table:
    return pq.ParquetFile(path, pre_buffer=False).read(columns, use_threads=False)


def _in_threads(function: Callable[[Path], object], files: Sequence[Path]) -> None:
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(function, files):
            pass
