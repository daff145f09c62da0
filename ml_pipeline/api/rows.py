"""How many records a request may have."""

from __future__ import annotations

import msgspec

from ml_pipeline.errors import TooLargeError

MOST = 100_000


def refuse_many(body: bytes, arrow: bool = False) -> None:
    """Return if a body has no more records than one request may have; whether it is well made is seen later.

    Raises:
        TooLargeError: it has more.
    """
    refuse_beyond(_arrow_rows(body) if arrow else _json_rows(body))


def refuse_beyond(found: int) -> None:
    """Return if so many records are no more than one request may have.

    Raises:
        TooLargeError: they are.
    """
    if found > MOST:
        raise TooLargeError(
            "too many records in a request",
            given=f"{found:,}",
            expected=f"at most {MOST:,}",
            do="send them in several requests, or run the batch stages",
        )


def _json_rows(body: bytes) -> int:
    """An array's entries, counted only where there could be too many."""
    if body.count(b",") < MOST:
        return 0
    try:
        return len(msgspec.json.decode(body, type=list[msgspec.Raw]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0


def _arrow_rows(body: bytes) -> int:
    """Rows as the batches say, before any column is made: a column of nothing takes no bytes, whatever its length."""
    import pyarrow as pa

    try:
        return sum(batch.num_rows for batch in pa.ipc.open_stream(body))
    except (pa.ArrowException, OSError, EOFError):
        return 0
