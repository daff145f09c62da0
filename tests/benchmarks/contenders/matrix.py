"""Events as the arrays that peers learn from, read as fast as the same two cores can."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.benchmarks import data
from tests.benchmarks.data import Floats

Codes = npt.NDArray[np.int32]


def numbers(place: Path, name: str = "events") -> tuple[Floats, Floats]:
    """The 20 numbers, shape (rows, 20), and the label."""
    x = np.empty((rows(place, name), len(data.NUMBERS)))
    y = np.empty(len(x))

    def fill(start: int, table: pa.Table) -> None:
        for place, column in enumerate(data.NUMBERS):
            x[start : start + len(table), place] = table.column(column).to_numpy()
        y[start : start + len(table)] = table.column(data.LABEL).to_numpy()

    each(place, name, (*data.NUMBERS, data.LABEL), fill)
    return x, y


def codes(place: Path, name: str = "events") -> dict[str, Codes]:
    """Per category the place of each row's level."""
    found = {column: np.empty(rows(place, name), np.int32) for column in data.LEVELS}

    def fill(start: int, table: pa.Table) -> None:
        for column, own in found.items():
            own[start : start + len(table)] = places(table, column)

    each(place, name, tuple(data.LEVELS), fill)
    return found


def places(table: pa.Table, name: str) -> Codes:
    """The place of each row's level, where each word of the part's dictionary is looked for once."""
    column = table.column(name).chunk(0)
    found: Codes = pc.index_in(column.dictionary, pa.array(data.words(name))).take(column.indices).to_numpy()
    return found


def each(place: Path, name: str, columns: Sequence[str], use: Callable[[int, pa.Table], None]) -> None:
    """Call `use` with the first row and the table of every part, on all cores."""

    def one(part: tuple[int, Path]) -> None:
        number, path = part
        use(number * data.ROWS, pq.ParquetFile(path, pre_buffer=False).read(columns=columns, use_threads=False))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(one, enumerate(data.files(place, name))):
            pass


def rows(place: Path, name: str = "events") -> int:
    """How many there are."""
    return sum(pq.read_metadata(path).num_rows for path in data.files(place, name))
