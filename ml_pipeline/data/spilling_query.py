"""A statement over streams that need not fit into memory: DuckDB carries it out, on disk where its memory ends.

Nothing is left on the disk, whether it succeeds, fails or is interrupted. A process that is killed leaves a folder
`ml-pipeline-…` where temporary files go; that of a container goes with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ml_pipeline.data.parquet import ROWS_PER_PART
from ml_pipeline.errors import StoreFullError

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
BYTES_PER_THREAD = 128 << 20
"""What DuckDB wants for each thread; with less it may give up where it could spill."""


class Limits(NamedTuple):
    """What DuckDB may use: bytes of memory, and threads (fewer, where memory is short)."""

    memory_bytes: int
    threads: int


def query(sql: str, streams: Mapping[str, Iterator[pa.Table]], limits: Limits, use: Callable[[Any], T]) -> T:
    """What `use` makes of the rows that a statement gives; it is called in another thread.

    There because in the main thread DuckDB would swallow the exception that a signal raises.

    Args:
        sql: The statement.
        streams: The tables that it names, each at least one table, all of the same columns; they are read once.
        limits: What DuckDB may use.
        use: Is given a `RecordBatchReader` of the rows.

    Raises:
        StoreFullError: neither memory nor disk has the room.
    """
    failures: list[Exception] = []

    def ask() -> T:
        for name, tables in streams.items():
            database.register(name, _stream(tables, failures))
        return use(database.sql(sql).to_arrow_reader(ROWS_PER_PART))

    with _explained(failures), _database(limits) as database, ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(ask).result()
        except BaseException:
            database.interrupt()
            raise


@contextmanager
def _database(limits: Limits) -> Iterator[DuckDBPyConnection]:
    """A database in memory, and for what does not fit a folder, of which nothing is left."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="ml-pipeline-", ignore_cleanup_errors=True) as folder:
        settings: dict[str, Any] = {
            "memory_limit": f"{limits.memory_bytes >> 10}KiB",
            "temp_directory": folder,
            "threads": max(1, min(limits.threads, limits.memory_bytes // BYTES_PER_THREAD)),
            "preserve_insertion_order": False,
            "asof_loop_join_threshold": 0,  # one way to join, for few rows too
            "autoload_known_extensions": False,  # nothing is fetched
            "autoinstall_known_extensions": False,
        }
        database = duckdb.connect(":memory:", config=settings)
        try:
            database.execute("set enable_progress_bar = false")
            yield database
        finally:
            with suppress(duckdb.OperationalError):  # still busy, where a second signal came while it was waited for
                database.close()


@contextmanager
def _explained(failures: list[Exception]) -> Iterator[None]:
    """What goes wrong in a stream that DuckDB reads comes out as it was; what DuckDB lacks, as an error of ours."""
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError) as error:
        if failures:
            raise failures[0] from None
        if isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException | OSError):
            raise _no_room(error) from error
        raise


def _no_room(error: Exception) -> StoreFullError:
    return StoreFullError(
        "there is no room to join a source that does not fit into memory",
        given=str(error).partition("\n")[0],
        expected=f"room for its rows in {tempfile.gettempdir()}",
        do="free that disk or name another one in TMPDIR, or raise resources.memory in pipeline.yaml",
    )


def _stream(tables: Iterator[pa.Table], failures: list[Exception]) -> pa.RecordBatchReader:
    """Tables as Arrow's interface for streams, which keeps of an exception only what it says."""
    import pyarrow as pa

    first = next(tables)

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for table in chain([first], tables):
                yield from table.to_batches()
        except Exception as error:
            failures.append(error)
            raise

    return pa.RecordBatchReader.from_batches(first.schema, batches())
