"""The join to a source that does not fit into memory: DuckDB finds its rows, and goes on on disk where memory ends.

Both sides are streamed into one statement, and what it finds is kept in a nameless file, batch by batch of the driving
source. The rows are those that `Reference` finds, to the bit: DuckDB compares texts and whole numbers, and hands values
through.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from ml_pipeline.columns import MISSING, Category, Column, Columns, Times, count, kind, take
from ml_pipeline.config import Join as JoinConfig
from ml_pipeline.data import arrow
from ml_pipeline.data.joins import MOMENT, Ints, Reference, text_column, time_column
from ml_pipeline.data.spilling_query import Limits, query

if TYPE_CHECKING:
    import pyarrow as pa

Load = Callable[[], Columns]
Loads = Callable[[Sequence[str]], Sequence[Load]]
"""Loaders of batches with the columns that are named."""

ROWS_OF_A_BATCH = 1 << 32
"""The row r of the batch b has the number b · 2³² + r."""
JOIN = """
select driving.row, reference.known, {values}
from (select row, {keys}, moment::hugeint * (1::hugeint << 63) + {last} as last from driving) as driving
asof join (select *, known::hugeint * (1::hugeint << 63) + row as place from reference) as reference
on {same} and driving.last >= reference.place
order by driving.row
"""
"""A row's place is first its moment, then its number: no two are equal, and of equal moments the last row counts."""
DUPLICATES = "select coalesce(sum(rows - 1), 0) from (select count(*) as rows from reference group by known, {keys})"
LAST = (1 << 63) - 1


@dataclass(frozen=True)
class LargeReference:
    """A source to be looked up that stays in the store: its `Reference` without rows, and its batches."""

    like: Reference
    as_of: str | None
    loads: Loads

    @classmethod
    def of(cls, name: str, empty: Columns, join: JoinConfig, loads: Loads) -> LargeReference:
        """A source of which `empty` are the columns without rows.

        Raises:
            SchemaError: its preparation does not keep what it is joined on.
        """
        return cls(Reference.of(name, empty, join), join.as_of, loads)

    def join(self, driving: Sequence[Load], limits: Limits) -> SpilledReference:
        """What the batches of the driving source find.

        Raises:
            StoreFullError: neither memory nor disk has the room.
        """
        found = SpilledReference(self.like, self._duplicates(limits))
        streams = {"driving": self._driving(driving), "reference": self._reference(self.like.values)}
        try:
            query(self._sql(JOIN), streams, limits, lambda rows: found.keep(_by_batch(rows, len(driving))))
        except BaseException:
            found.close()
            raise
        return found

    def _duplicates(self, limits: Limits) -> int:
        streams = {"reference": self._reference({})}
        return query(self._sql(DUPLICATES), streams, limits, lambda rows: int(rows.read_all().column(0)[0].as_py()))

    def _sql(self, statement: str) -> str:
        keys = [f"key{at}" for at in range(len(self.like.keys))]
        values = [f"value{at}" for at in range(len(self.like.values))]
        same = " and ".join(f"driving.{key} = reference.{key}" for key in keys)
        return statement.format(keys=", ".join(keys), values=", ".join(values), same=same, last=LAST)

    def _driving(self, loads: Sequence[Load]) -> Iterator[pa.Table]:
        """The rows that may find something: number, keys, moment. The first table has none, and says of what type."""
        yield _rows(0, self._no_keys, "moment", None, ())
        for number, load in enumerate(loads):
            batch = load()
            keys = [text_column("the driving source", batch, key) for key in self.like.keys]
            moment = None if self.as_of is None else np.asarray(batch[MOMENT], "datetime64[us]")
            yield _rows(number * ROWS_OF_A_BATCH, keys, "moment", moment, ())

    def _reference(self, values: Columns) -> Iterator[pa.Table]:
        """The rows that may be found: number, keys, since when they are known, values."""
        yield _rows(0, self._no_keys, "known", None, [*values.values()])
        own, first, name = [*self.like.keys.values()], 0, self.like.name
        for load in self.loads([*dict.fromkeys([*own, *([self.as_of] if self.as_of else []), *values])]):
            batch = load()
            known = None if self.as_of is None else time_column(name, batch, self.as_of)
            keys = [text_column(name, batch, key) for key in own]
            yield _rows(first, keys, "known", known, [batch[value] for value in values])
            first += count(batch)

    @property
    def _no_keys(self) -> list[Category]:
        return [Category.of([]) for _ in self.like.keys]


class SpilledReference:
    """Rows of a source that the driving one finds, on disk."""

    def __init__(self, like: Reference, duplicates: int) -> None:
        self.name, self.duplicates = like.name, duplicates
        self._like = like
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="ml-pipeline-")  # noqa: SIM115 - closed by `close`
        self._ends = [0]

    def close(self) -> None:
        """Give the room back."""
        self._file.close()

    def keep(self, batches: Iterable[pa.Table]) -> None:
        """Write what each batch of the driving source finds."""
        import pyarrow as pa

        for table in batches:
            with pa.ipc.new_stream(self._file, table.schema) as stream:
                stream.write_table(table)
            self._ends.append(self._file.tell())
        self._file.flush()

    def batch(self, number: int) -> Found:
        """For the batch of that number what a `Reference` is for any."""
        import pyarrow as pa

        start, end = self._ends[number : number + 2]
        table = pa.ipc.open_stream(os.pread(self._file.fileno(), end - start, start)).read_all()
        places = table.column("row").to_numpy() - number * ROWS_OF_A_BATCH
        values = {
            name: _as_moments(column) if kind(like) == "time" else arrow.to_column(column)
            for column, (name, like) in zip(table.columns[2:], self._like.values.items(), strict=True)
        }
        tolerance = None if self._like.times is None else self._like.tolerance
        return Found(self.name, values, places, _as_moments(table.column("known")), tolerance)


@dataclass(frozen=True)
class Found:
    """Row i of `values` is what the driving row `places[i]` finds, known since `times[i]`."""

    name: str
    values: dict[str, Column]
    places: Ints
    times: Times
    tolerance: np.timedelta64 | None

    def find(self, x: Columns) -> Ints:
        """For every row of the driving source the row here, MISSING for none."""
        rows = np.full(count(x), MISSING)
        rows[self.places] = np.arange(len(self.places))
        if self.tolerance is not None:
            moments = np.asarray(x[MOMENT], "datetime64[us]")[self.places]
            rows[self.places[~(moments - self.times <= self.tolerance)]] = MISSING
        return rows


def size_in_memory(schema: pa.Schema, rows: int, stored_bytes: int) -> int:
    """About the bytes of a dataset as columns: eight for a number, a moment or a text, whose words are as stored."""
    width = sum(8 * getattr(field.type, "list_size", 1) for field in schema)
    return rows * width + stored_bytes


def _rows(first: int, keys: Sequence[Category], time: str, moments: Times | None, values: Sequence[Column]) -> pa.Table:
    """Rows that have all keys and a moment, numbered from `first` on."""
    moments = np.zeros(len(keys[0]), "datetime64[us]") if moments is None else moments
    columns: dict[str, Column] = {"row": np.arange(first, first + len(moments)), time: moments}
    columns |= {f"key{at}": key for at, key in enumerate(keys)}
    columns |= {f"value{at}": value for at, value in enumerate(values)}
    usable = np.logical_and.reduce([~np.isnat(moments), *(key.codes >= 0 for key in keys)])
    chosen = columns if usable.all() else take(columns, usable)
    return arrow.to_table({name: _as_numbers(column) for name, column in chosen.items()})


def _as_numbers(column: Column) -> Column:
    """Moments as whole numbers, of which none means infinity."""
    return column if isinstance(column, Category) or column.dtype.kind != "M" else column.view(np.int64)


def _as_moments(column: pa.ChunkedArray) -> Times:
    moments: Times = column.to_numpy().view("datetime64[us]")
    return moments


def _by_batch(found: pa.RecordBatchReader, batches: int) -> Iterator[pa.Table]:
    """A table for each batch of the driving source."""
    import pyarrow as pa

    rest, more = found.schema.empty_table(), iter(found)
    for number in range(batches):
        end = (number + 1) * ROWS_OF_A_BATCH
        while not rest.num_rows or rest.column("row")[-1].as_py() < end:
            piece = next(more, None)
            if piece is None:
                break
            rest = pa.concat_tables([rest, pa.Table.from_batches([piece])])
        cut = int(np.searchsorted(rest.column("row").to_numpy(), end))
        yield rest.slice(0, cut)
        rest = rest.slice(cut)
