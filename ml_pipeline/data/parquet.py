"""One batch as the bytes of one Parquet part, and back.

Dictionaries are for categories only: floats encoded by dictionary take three times as long and a third more room.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml_pipeline.errors import IntegrityError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_PART = 65_536
"""Rows of every part but the last: the batch of all computing, so sums have the same borders on any machine."""


def encode(table: pa.Table) -> bytes:
    """The bytes of a Parquet file with one row group; the same table gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    words = [f.name for f in table.schema if pa.types.is_dictionary(f.type) or pa.types.is_string(f.type)]
    pq.write_table(table, sink, row_group_size=ROWS_PER_PART, compression="zstd", use_dictionary=words or False)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def decode(content: bytes, columns: Sequence[str] | None = None, where: str = "a part") -> pa.Table:
    """The table of a part, or some of its columns.

    Raises:
        IntegrityError: the bytes are no whole Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
        return file.read(columns=list(columns) if columns is not None else None, use_threads=False)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise IntegrityError(
            "a Parquet file cannot be read",
            given=f"{where}, {len(content)} bytes: {str(error).strip()}",
            expected="a whole Parquet file",
            do="deliver the file again",
        ) from error
