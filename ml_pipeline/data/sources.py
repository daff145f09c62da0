"""Where records come from: the protocol of a source, and files of comma-separated values.

A source says which columns its records have and gives them in Arrow batches. It may deliver more than the window asks
for (the ingest stage filters), so a file is as good as a service that answers exactly.
"""

from __future__ import annotations

import datetime as dt
import functools
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol

from ml_pipeline.chain import Links
from ml_pipeline.data.conform import Rejects, conform
from ml_pipeline.errors import DataError, SchemaError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv

Types = dict[str, str]
"""Column name -> Arrow type, by its name: string, int64, float64, bool, timestamp (UTC)."""


class Window(NamedTuple):
    """What is asked for: records that became known after `since` (all, if None) and not after `until`."""

    since: dt.datetime | None
    until: dt.datetime


class Records(NamedTuple):
    """A batch as the source gave it, and lines that were no records at all as (reason, line)."""

    batch: pa.RecordBatch | pa.Table
    rejects: Rejects


class Source(Protocol):
    """Any object with these is a source."""

    types: Types
    adds: Links

    def read(self, window: Window) -> Iterator[Records]:
        """Records in batches, in a fixed order."""
        ...


class CsvFile:
    """A CSV file, plain or the only member of a zip archive; a record is one line.

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

        broken: Rejects = []
        try:
            with _opened(self.path) as file:
                reader = self._reader(file, broken)
                for batch in reader:
                    yield self._sound(pa.table(batch), broken)
                yield self._sound(reader.schema.empty_table(), broken)  # what is broken at the end comes with no batch
        except (pa.ArrowInvalid, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(
                f"{self.path.name} cannot be read", given=str(error), expected="a CSV file", do="deliver the file again"
            ) from error

    def _reader(self, file: IO[bytes], broken: Rejects) -> csv.CSVStreamingReader:
        """Every column as bytes: one that is not wanted may show that a line is broken."""
        import pyarrow as pa
        from pyarrow import csv

        def set_aside(row: csv.InvalidRow) -> str:
            broken.append((f"the line has {row.actual_columns} fields instead of {row.expected_columns}", row.text))
            return "skip"

        return csv.open_csv(
            file,
            read_options=csv.ReadOptions(use_threads=False, block_size=8 << 20),
            parse_options=csv.ParseOptions(invalid_row_handler=set_aside),
            convert_options=csv.ConvertOptions(
                default_column_type=pa.binary(), null_values=list(self.missing), strings_can_be_null=True
            ),
        )

    def _sound(self, table: pa.Table, broken: Rejects) -> Records:
        """The lines that are one record each, as text, and those that are broken."""
        if wrong := [name for name in self.types if table.column_names.count(name) != 1]:
            fault = "has twice" if wrong[0] in table.column_names else "lacks"
            raise SchemaError(
                f"{self.path.name} {fault} the column {wrong[0]!r}",
                given=", ".join(table.column_names),
                expected=", ".join(self.types),
                do="deliver the file with this column, or change the types in sources.py",
            )
        table, unclosed = _one_line_each(table)
        text, unreadable = conform(table, dict.fromkeys(self.types, "string"), self.path.name)
        rejects = [*broken, *unclosed, *unreadable]
        broken.clear()
        return Records(text, rejects)


def _one_line_each(table: pa.Table) -> tuple[pa.Table, Rejects]:
    """Without the rows that swallowed the lines after them, because a quote was not closed; and those lines."""
    import pyarrow.compute as pc

    over = [pc.fill_null(pc.match_substring(column, b"\n"), False) for column in table.columns]
    bad = functools.reduce(pc.or_, over)
    if not pc.any(bad).as_py():
        return table, []
    texts = [b",".join(value or b"" for value in row.values()) for row in table.filter(bad).to_pylist()]
    lines = [line.decode("utf-8", "backslashreplace") for text in texts for line in text.splitlines()]
    return table.filter(pc.invert(bad)), [("a quote is not closed on its line", line) for line in lines]


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        if path.suffix != ".zip":
            yield file
            return
        with zipfile.ZipFile(file) as archive:
            if len(archive.namelist()) != 1:
                raise zipfile.BadZipFile(f"the archive holds {len(archive.namelist())} files instead of one")
            with archive.open(archive.namelist()[0]) as member:
                yield member
