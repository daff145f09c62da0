"""Records that a database has, PostgreSQL or SQLite, as Arrow batches: no row is ever an object of Python's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass

from ml_pipeline.chain import Links
from ml_pipeline.connectors import postgresql, sqlite
from ml_pipeline.connectors.address import address_of
from ml_pipeline.connectors.selection import Selection
from ml_pipeline.data.sources import Records, Types, Window
from ml_pipeline.errors import UsageError


@dataclass(eq=False)
class SqlQuery:
    """What a query selects, read in a session that cannot write.

    Args:
        types: The columns that are wanted of the query's result, with their types.
        query: A `select`.
        watermark: The column of its result that says when a record became known; only what a window asks for is
            fetched, and a record without one is not read until it has one. Empty: all is read, every time. In SQLite it
            is a text such as `2024-01-31T23:59:59.5Z`, `2024-01-31 23:59:59+02:00` or, in UTC, `2024-01-31 23:59:59`.
        adds: Functions whose columns are stored with the record.
        address: `postgresql://user@host/database`, as libpq takes it, or `sqlite:PATH`, of which the path may be the
            URI of an object store; pipeline.yaml may say another. A password belongs in ~/.pgpass or PGPASSFILE.
    """

    types: Types
    _: KW_ONLY
    query: str
    watermark: str = ""
    adds: Links = ()
    address: str = ""

    def read(self, window: Window) -> Iterator[Records]:
        """The records of a window, in the order of the watermark.

        Raises:
            SchemaError: the database lacks a table or a column.
            SourceError: it cannot be reached, refuses, or breaks off.
        """
        address = address_of(window, self.address)
        selection = Selection(self.types, self.query, self.watermark, window.since, window.until)
        if address.startswith("sqlite:"):
            return sqlite.records(address.removeprefix("sqlite:"), selection)
        if address.startswith(("postgresql://", "postgres://")):
            return postgresql.records(address, selection)
        raise UsageError(
            "the address is that of no database",
            given=f"{address.partition(':')[0]}:…",
            expected="postgresql://user@host/database or sqlite:PATH",
            do="correct the address in pipeline.yaml",
        )
