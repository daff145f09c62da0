"""Files of comma-separated values; a record is one line."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from ml_pipeline.connectors.file_source import FileSource
from ml_pipeline.connectors.files import File, find, opened
from ml_pipeline.data.conform import Rejects, conform
from ml_pipeline.data.sources import Records
from ml_pipeline.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv

BLOCK_BYTES = 8 << 20
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
"""What other programs put between values, instead of commas."""


@dataclass(eq=False)
class CsvFiles(FileSource):
    """A CSV file or a folder of them. All values are given as text.

    A line that is no record is set aside: one with too few or too many fields, one with a quote that it does not close,
    one in another encoding than UTF-8.

    Args:
        missing: Texts that mean that there is no value.
    """

    missing: tuple[str, ...] = ("", "NA")

    suffixes: ClassVar = (".csv",)
    content: ClassVar = "a CSV file"

    def header(self, address: str | Path) -> list[str]:
        """The names of the columns of the first file at an address.

        Raises:
            DataError: there is no file, or it is no CSV file.
        """
        file = find(str(address), self.suffixes)[0]
        with self.legible(file), opened(file) as stream:
            return _names(file, self._reader(stream, []))

    def parse(self, file: File, stream: IO[bytes]) -> Iterator[Records]:
        """The records of one file, in batches of 8 MB."""
        import pyarrow as pa

        broken: Rejects = []
        reader = self._reader(stream, broken)
        columns = self.columns(file, _names(file, reader))
        for batch in reader:
            yield self._sound(file, pa.table(batch), columns, broken)
        # What is broken at the end comes with no batch.
        yield self._sound(file, reader.schema.empty_table(), columns, broken)

    def _reader(self, stream: IO[bytes], broken: Rejects) -> csv.CSVStreamingReader:
        """Every column as bytes: one that is not wanted may show that a line is broken."""
        import pyarrow as pa
        from pyarrow import csv

        def set_aside(row: csv.InvalidRow) -> str:
            broken.append((f"the line has {row.actual_columns} fields instead of {row.expected_columns}", row.text))
            return "skip"

        return csv.open_csv(
            stream,
            read_options=csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=csv.ParseOptions(invalid_row_handler=set_aside),
            convert_options=csv.ConvertOptions(
                default_column_type=pa.binary(), null_values=list(self.missing), strings_can_be_null=True
            ),
        )

    @staticmethod
    def _sound(file: File, table: pa.Table, columns: Sequence[str], broken: Rejects) -> Records:
        """The lines that are one record each, as text, and those that are broken."""
        table, unclosed = _one_line_each(table)
        text, unreadable = conform(table, dict.fromkeys(columns, "string"), file.name)
        foreign = [(f"{reason.partition(' is not of')[0]} is not UTF-8", record) for reason, record in unreadable]
        rejects = [*broken, *unclosed, *foreign]
        broken.clear()
        return Records(text, rejects)


def _names(file: File, reader: csv.CSVStreamingReader) -> list[str]:
    """The names in the first line.

    Raises:
        DataError: it is not UTF-8, or its names are not separated by commas.
    """
    try:
        names: list[str] = reader.schema.names
    except UnicodeDecodeError as error:
        raise _not_utf8(file, str(error)) from error
    if any("\0" in name for name in names):
        raise _not_utf8(file, "two or more bytes a character")
    if len(names) == 1 and (other := [word for sign, word in SEPARATORS.items() if sign in names[0]]):
        raise DataError(
            f"the values of {file.name} are separated by {other[0]}",
            given=names[0],
            expected="commas",
            do="save the file with commas between the values (and points in the numbers)",
        )
    return names


def _not_utf8(file: File, given: str) -> DataError:
    return DataError(
        f"{file.name} is not UTF-8",
        given=given,
        expected="a CSV file in UTF-8",
        do="save it as UTF-8, such as with iconv -f UTF-16 -t UTF-8",
    )


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
