"""One batch as the bytes of one Parquet part, and back.

Dictionaries are for categories only: floats encoded by dictionary take three times as long and a third more room. With
their bytes split into streams (BYTE_STREAM_SPLIT of the Parquet format), measurements of the precision of a float32 are
written in half the time, read in three quarters and a sixth smaller, and those of full precision no worse; numbers of
few decimals would be nearly twice as large, so a sample decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ml_pipeline.data import arrow
from ml_pipeline.errors import IntegrityError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_PART = 65_536
"""Rows of every part but the last: the batch of all computing, so sums have the same borders on any machine."""
SAMPLE = 2048
"""Numbers of a column that are compressed to see how."""


def encode(table: pa.Table) -> bytes:
    """The bytes of a Parquet file with one row group; the same table gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=ROWS_PER_PART,
        compression="zstd",
        use_dictionary=[name for name in table.column_names if _repeats(table.column(name))] or False,
        use_byte_stream_split=[name for name in table.column_names if _is_better_split(table.column(name))] or False,
    )
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


def _repeats(column: pa.ChunkedArray) -> bool:
    """Whether words stand in several rows each: keys are written as they are."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return 2 * sum(len(chunk.dictionary) for chunk in column.chunks) <= len(column)
    return bool(pa.types.is_string(column.type))


def _is_better_split(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    if column.type != pa.float64():
        return False
    some = np.ascontiguousarray(arrow.to_column(column.slice(0, SAMPLE))).view(np.uint8)
    return _compressed(some.reshape(-1, 8).T) < _compressed(some)


def _compressed(values: npt.NDArray[np.uint8]) -> int:
    import pyarrow as pa

    return len(pa.compress(values.tobytes(), "zstd", asbytes=True))
