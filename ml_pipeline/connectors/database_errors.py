"""What databases say, in the words of our tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ml_pipeline.errors import PipelineError, SchemaError, SourceError

NOT_THERE = ("42703", "42P01")
"""PostgreSQL's states (SQLSTATE) for a column or table that is not there; SQLite has but words for it."""
SAID = re.compile(r"(?:ERROR|FATAL|PANIC): +(.*)")
"""The server's own words, among those of its clients."""
PREFIX = re.compile(r"^[A-Z_]+: (\[\w+\] )?(Failed to prepare query: )?")


@contextmanager
def explained(database: str, fault: str) -> Iterator[None]:
    """Errors of the driver become ours.

    Args:
        database: Its address, without a password.
        fault: What it does not do, for example `cannot be reached`.
    """
    from adbc_driver_manager import dbapi
    from pyarrow import ArrowException

    try:
        yield
    except (dbapi.Error, ArrowException, OSError) as error:
        raise _told(database, fault, error) from error


def _told(database: str, fault: str, error: Exception) -> PipelineError:
    message = str(error)
    said = SAID.search(message)
    words = " ".join((said[1] if said else PREFIX.sub("", message).partition("\nquery:")[0]).split())[:300]
    if getattr(error, "sqlstate", None) in NOT_THERE or words.startswith(("no such column", "no such table")):
        return SchemaError(
            "the database lacks what the query names",
            given=f"{database}: {words}",
            do="restore it there, or change the query and types in sources.py",
        )
    return SourceError(
        f"the database {fault}",
        given=f"{database}: {words}",
        do="see that it runs and that this user may read there; correct the address in pipeline.yaml",
    )
