"""A selection from PostgreSQL: a cursor on the server, fetched batch by batch in a session that cannot write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

from ml_pipeline.connectors.database_errors import explained
from ml_pipeline.connectors.selection import ROWS_PER_BATCH, Selection
from ml_pipeline.data.sources import Records
from ml_pipeline.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    from adbc_driver_manager.dbapi import Connection

PATIENCE = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
"""A server that vanishes without a word is noticed after a minute, not after the two hours of TCP's default."""
SESSION = (
    "set default_transaction_read_only = on",
    "set timezone = 'UTC'",
    "set cursor_tuple_fraction = 1",  # all rows will be fetched, not the first few
)
FETCH = f"fetch {ROWS_PER_BATCH} from batches"


class Address(NamedTuple):
    """`uri` is for the driver alone; `shown` holds no password."""

    uri: str
    shown: str


def records(address: str, selection: Selection) -> Iterator[Records]:
    """Batches of a selection, at least one.

    A cursor, because the driver would hold the whole result of a query with bound values in memory.
    """
    from adbc_driver_postgresql import StatementOptions

    uri, shown = parsed(address)
    statement = f"declare batches no scroll cursor for {selection.statement(_value, _within)}"
    with _session(uri, shown) as session, explained(shown, "did not give all records"):
        with session.cursor() as cursor:
            cursor.execute(statement, selection.bounds or None)
        with session.cursor(adbc_stmt_kwargs={StatementOptions.USE_COPY.value: "false"}) as cursor:
            rows = ROWS_PER_BATCH
            while rows == ROWS_PER_BATCH:
                table = cursor.execute(FETCH).fetch_arrow_table()
                rows = table.num_rows
                yield Records(_plain(table), [])


def parsed(address: str) -> Address:
    """The address with every part quoted, so that no character of a password is taken for another part and shown.

    Raises:
        UsageError: where the password ends cannot be told.

    >>> parsed("postgresql://me:a/b@c@host/trials").shown
    'postgresql://host/trials'
    """
    scheme, _, rest = address.partition("://")
    user, place = _divided(rest)
    name, colon, password = (quote(unquote(part), safe="") for part in user.partition(":"))
    who = f"{name}{':' if colon else ''}{password}{'@' if user else ''}"
    place, _, query = place.partition("?")
    settings = PATIENCE | {"connect_timeout": os.environ.get("PGCONNECT_TIMEOUT", "10")} | dict(parse_qsl(query))
    return Address(f"{scheme}://{who}{place}?{urlencode(settings, quote_via=quote)}", f"{scheme}://{place}")


def _divided(rest: str) -> tuple[str, str]:
    """User and password, and all that follows."""
    before, mark, after = rest.partition("?")
    if "@" not in before:  # the ? may be a character of the password
        user, _, place = rest.rpartition("@")
        return user, place
    user, _, place = before.rpartition("@")
    if ":" in user and "@" in after:
        raise UsageError(
            "where the password in the address of the database ends cannot be told",
            expected="@ and ? in a password or a setting written as %40 and %3F",
            do="correct the address, or keep the password in ~/.pgpass or PGPASSFILE",
        )
    return user, place + mark + after


@contextmanager
def _session(uri: str, shown: str) -> Iterator[Connection]:
    from adbc_driver_postgresql import dbapi

    with explained(shown, "cannot be reached"):
        session = dbapi.connect(uri)
    with session:
        with explained(shown, "cannot be read"):
            with session.cursor() as cursor:
                for setting in SESSION:
                    cursor.execute(setting)
            session.commit()  # what is set holds from the next transaction on
        yield session


def _value(reference: str, kind: str) -> str:
    """Everything has a text, whatever its type; of the others the driver knows the Arrow type."""
    return f"cast({reference} as text)" if kind == "string" else reference


def _within(watermark: str, lower: bool) -> str:
    bounds = f"{watermark} > $1 and {watermark} <= $2" if lower else f"{watermark} <= $1"
    return f"where {bounds} order by {watermark}"


def _plain(table: pa.Table) -> pa.Table:
    """Without the types of PostgreSQL's own: a number of any precision comes as text, for example."""
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        if isinstance(field.type, pa.BaseExtensionType):
            column = table.column(at)
            stored = pa.chunked_array([part.storage for part in column.chunks], field.type.storage_type)
            table = table.set_column(at, field.name, stored)
    return table
