"""A selection from SQLite: a file on this machine, or one in an object store that is fetched first."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ml_pipeline.artifacts.store import Store
from ml_pipeline.connectors.database_errors import explained
from ml_pipeline.connectors.selection import ROWS_PER_BATCH, Selection
from ml_pipeline.data.conform import conform
from ml_pipeline.data.sources import Records, Types

if TYPE_CHECKING:
    import pyarrow as pa


def records(place: str, selection: Selection) -> Iterator[Records]:
    """Batches of a selection, at least one; all values as text.

    Args:
        place: The path of the file, or its URI.
    """
    statement = selection.statement(_value, _within)
    bounds = [f"{bound.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}" for bound in selection.bounds]
    with _file(place) as path:
        for table in _tables(f"file:{quote(str(path))}?mode=ro", place, statement, bounds):
            yield _texts(table, selection.types, f"sqlite:{place}")


def _tables(uri: str, place: str, statement: str, bounds: list[str]) -> Iterator[pa.Table]:
    import pyarrow as pa
    from adbc_driver_sqlite import StatementOptions, dbapi

    options = {StatementOptions.BATCH_ROWS.value: str(ROWS_PER_BATCH)}
    with explained(f"sqlite:{place}", "cannot be opened"):
        connection = dbapi.connect(uri)
    told = explained(f"sqlite:{place}", "did not give all records")
    with connection, connection.cursor(adbc_stmt_kwargs=options) as cursor, told:
        reader = cursor.execute(statement, bounds or None).fetch_record_batch()
        yield reader.schema.empty_table()
        for batch in reader:
            yield pa.table(batch)


@contextmanager
def _file(place: str) -> Iterator[Path]:
    place = place.removeprefix("file://")
    if "://" not in place:
        yield Path(place).expanduser()
        return
    folder, _, name = place.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="ml-pipeline-") as room:
        path = Path(room) / "database.sqlite"
        with Store(folder).reader(name) as stored, path.open("wb") as file:
            shutil.copyfileobj(stored, file, 1 << 20)
        yield path


def _value(reference: str, _kind: str) -> str:
    """A text that begins with `=`, or an empty one for no value.

    A column of SQLite may hold anything, but the driver would take its type from the first rows, or an integer's where
    those are empty, and break off at the first value of another.
    """
    whole = f"cast({reference} as integer)"
    number = f"case when {reference} = {whole} then {whole} else printf('%!.17g', {reference}) end"
    return f"coalesce('=' || case typeof({reference}) when 'real' then {number} else cast({reference} as text) end, '')"


def _within(watermark: str, lower: bool) -> str:
    """Moments to the millisecond, both bounds included: what is too much the ingest stage leaves out.

    A text that is no moment is always read, so that it is seen and set aside.
    """
    moment = f"julianday({watermark})"
    bounds = f"{moment} >= julianday(?1) and {moment} <= julianday(?2)" if lower else f"{moment} <= julianday(?1)"
    return f"where coalesce({bounds}, {watermark} is not null) order by {moment}"


def _texts(table: pa.Table, types: Types, name: str) -> Records:
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {}
    for column in types:
        marked = table.column(column).cast(pa.string()).cast(pa.binary())  # without rows the driver says int64
        value = pc.replace_substring(marked, "=", "", max_replacements=1)
        columns[column] = pc.if_else(pc.equal(pc.binary_length(marked), 0), pa.scalar(None, pa.binary()), value)
    texts, rejects = conform(pa.table(columns), dict.fromkeys(types, "string"), name)
    for at, (column, kind) in enumerate(types.items()):
        if kind == "timestamp":
            texts = texts.set_column(at, column, _zoned(texts.column(column)))
    return Records(texts, rejects)


def _zoned(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """A day or moment without a zone is in UTC, as SQLite's own functions have it."""
    import pyarrow.compute as pc

    moments = pc.replace_substring_regex(texts, r"^(\d{4}-\d\d-\d\d)$", r"\1 00:00")
    return pc.replace_substring_regex(moments, r"^(\d{4}-\d\d-\d\d[ T][0-9:.]+)$", r"\1Z")
