"""What a source delivers, made fit to be stored: types checked, columns added, cut to a period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ml_pipeline.chain import run as run_chain
from ml_pipeline.columns import kind
from ml_pipeline.data import arrow
from ml_pipeline.data.conform import Rejects, conform, drop
from ml_pipeline.data.sources import Source, Window
from ml_pipeline.errors import SchemaError

if TYPE_CHECKING:
    import pyarrow as pa


class Period(NamedTuple):
    """Records whose `column` lies after `after` (always, if None) and not after `until`."""

    column: str
    after: np.datetime64 | None
    until: np.datetime64


class Admitted(NamedTuple):
    """Good records, those to set aside with the reason, how many were delivered and how many are later than asked."""

    table: pa.Table
    rejects: Rejects
    delivered: int
    later: int
    synthetic: bool = False


def admit(
    reader: Source, source: str, window: Window, period: Period | None, truth: Sequence[str]
) -> Iterator[Admitted]:
    """Everything a source gives for a window, batch by batch.

    Args:
        reader: The source.
        source: Its name, for messages.
        window: What to ask for.
        period: What to keep of it; all, if None.
        truth: Columns to empty, as if they were not known yet.

    Raises:
        SchemaError: a column is missing.
    """
    for records in reader.read(window):
        table, rejects = conform(_emptied(records.batch, truth), reader.types, source)
        table = _emptied(_with_added(table, reader), truth)
        if unknown := [name for name in truth if name not in table.column_names]:
            raise SchemaError(
                f"the source {source} has no column {unknown[0]!r}, which pipeline.yaml calls truth",
                given=", ".join(table.column_names),
                do="correct the name",
            )
        table, undated, later = _within(table, source, period)
        delivered = records.batch.num_rows + len(records.rejects)
        yield Admitted(table, [*records.rejects, *rejects, *undated], delivered, later, records.synthetic)


def _with_added(table: pa.Table, reader: Source) -> pa.Table:
    if not reader.adds:
        return table
    columns = run_chain(reader.adds, arrow.to_columns(table))
    added = arrow.to_table({name: column for name, column in columns.items() if name not in table.column_names})
    for name in added.column_names:
        table = table.append_column(name, added.column(name))
    return table


def _within(table: pa.Table, source: str, period: Period | None) -> tuple[pa.Table, Rejects, int]:
    if period is None:
        return table, [], 0
    if period.column not in table.column_names:
        raise SchemaError(
            f"the source {source} has no column {period.column!r} to say when",
            given=", ".join(table.column_names),
            do="name another column as known or time in pipeline.yaml, or add one with `adds`",
        )
    column = arrow.to_column(table.column(period.column))
    if kind(column) != "time":
        raise SchemaError(
            f"the column {period.column!r} of the source {source} cannot say when",
            given=f"a {kind(column)} column",
            expected="a column of moments",
            do="make it a timestamp in sources.py, or name another column as known or time in pipeline.yaml",
        )
    times = np.asarray(column)
    inside = times <= period.until if period.after is None else (times <= period.until) & (times > period.after)
    undated = dict.fromkeys(np.flatnonzero(np.isnat(times)).tolist(), f"{period.column} is missing")
    return table.filter(inside), drop(table, undated)[1], int((times > period.until).sum())


def _emptied(batch: pa.RecordBatch | pa.Table, truth: Sequence[str]) -> pa.RecordBatch | pa.Table:
    """Before columns are added, so that none is made of the truth, and again after, for those that are truth."""
    import pyarrow as pa

    for at, field in enumerate(batch.schema):
        if field.name in truth:
            batch = batch.set_column(at, field.name, pa.nulls(batch.num_rows, field.type))
    return batch
