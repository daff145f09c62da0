"""Where records come from: the protocol of a source, and files of comma-separated values.

A source says which columns its records have and gives them in Arrow batches. It may deliver more than the window asks
for (the ingest stage filters), so a file is as good as a service that answers exactly.
"""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from ml_pipeline.chain import Links
from ml_pipeline.errors import DataError, SchemaError

if TYPE_CHECKING:
    import pyarrow as pa

Types = dict[str, str]
"""Column name -> Arrow type, by its name: string, int64, float64, bool, timestamp (UTC)."""


class Window(NamedTuple):
    """What is asked for: records that became known after `since` (all, if None) and not after `until`."""

    since: dt.datetime | None
    until: dt.datetime


class Records(NamedTuple):
    """A batch as the source gave it, and lines that were no records at all as (reason, line)."""

    batch: pa.RecordBatch | pa.Table
    rejects: list[tuple[str, Any]]


class Source(Protocol):
    """Any object with these is a source."""

    types: Types
    adds: Links

    def read(self, window: Window) -> Iterator[Records]:
        """Records in batches, in a fixed order."""
        ...


class CsvFile:
    """A CSV file, plain or the only member of a zip archive.

    Args:
        path: The file.
        types: The columns that are wanted, with their types; others are left out.
        adds: Functions whose columns are stored with the record, such as the moment at which it became known.
        missing: Texts that mean that there is no value.
    """

    def __init__(self, path: Path, types: Types, adds: Links = (), missing: tuple[str, ...] = ("", "NA")) -> None:
        self.path, self.types, self.adds, self.missing = path, types, adds, missing

    def read(self, window: Window) -> Iterator[Records]:
        """All records as strings; their types are checked where they are ingested.

        Raises:
            DataError: the file is not there or is no CSV file.
            SchemaError: a column is missing.
        """
        import pyarrow as pa
        from pyarrow import csv

        broken: list[tuple[str, Any]] = []

        def set_aside(row: Any) -> str:
            broken.append((f"the line has {row.actual_columns} fields instead of {row.expected_columns}", row.text))
            return "skip"

        try:
            with _opened(self.path) as file:
                reader = csv.open_csv(
                    file,
                    read_options=csv.ReadOptions(use_threads=False, block_size=8 << 20),
                    parse_options=csv.ParseOptions(invalid_row_handler=set_aside),
                    convert_options=csv.ConvertOptions(
                        column_types=dict.fromkeys(self.types, pa.string()),
                        include_columns=list(self.types),
                        null_values=list(self.missing),
                        strings_can_be_null=True,
                    ),
                )
                for batch in reader:
                    yield Records(batch, broken.copy())
                    broken.clear()
        except pa.ArrowKeyError as error:
            raise SchemaError(
                f"{self.path.name} lacks a column",
                given=str(error),
                expected=", ".join(self.types),
                do="deliver the file with this column, or change the types in sources.py",
            ) from error
        except (pa.ArrowInvalid, OSError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{self.path.name} cannot be read", given=str(error), expected="a CSV file", do="deliver the file again"
            ) from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        if path.suffix != ".zip":
            yield file
            return
        with zipfile.ZipFile(file) as archive, archive.open(archive.namelist()[0]) as member:
            yield member
