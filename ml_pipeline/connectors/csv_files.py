"""Files of comma-separated values; a record is one line."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from ml_pipeline.connectors.file_source import FileSource
from ml_pipeline.connectors.files import File, find, opened
from ml_pipeline.data.conform import Rejects, conform
from ml_pipeline.data.sources import Records
from ml_pipeline.errors import DataError, SchemaError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv

BLOCK_BYTES = 8 << 20
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
"""What other programs put between values, instead of commas."""
UNCLOSED = "a quote is not closed on its line"
OUT_OF_STEP = "out of sync with chunker"
"""What Arrow says of a quote that is still open where the next block but one begins."""


@dataclass(eq=False)
class CsvFiles(FileSource):
    """A CSV file or a folder of them. All values are given as text.

    A line that is no record is set aside: one with too few or too many fields, one with a quote that it does not close,
    one in another encoding than UTF-8.

    Args:
        missing: Texts that mean that there is no value, besides a field without any.
        names: Column -> its name in the file, such as `{"loan_id": "Loan ID"}`; without one, it is the column's own.
    """

    missing: tuple[str, ...] = ("NA",)
    names: Mapping[str, str] = field(default_factory=dict)

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
        """The records of one file, in batches of 8 MB.

        Raises:
            DataError: a quote swallows all that is left of a large file.
            SchemaError: a column is missing.
        """
        import pyarrow as pa

        broken: Rejects = []
        reader = self._reader(stream, broken)
        names = self._called(file, _names(file, reader))
        columns = self.columns(file, names)
        lines = 1
        try:
            for batch in reader:
                records = self._sound(file, pa.table(batch).rename_columns(names), columns, broken)
                lines += records.batch.num_rows + len(records.rejects)
                yield records
        except pa.ArrowInvalid as error:
            if OUT_OF_STEP not in str(error):
                raise
            raise _unclosed(file, lines + len(broken) + 1) from error
        # What is broken at the end comes with no batch.
        yield self._sound(file, reader.schema.empty_table().rename_columns(names), columns, broken)

    def _called(self, file: File, names: Sequence[str]) -> list[str]:
        """The names of a file's columns, as this source calls them."""
        wanted = {there: name for name, there in self.names.items() if name in self.types}
        if gone := [there for there in wanted if there not in names]:
            raise SchemaError(
                f"{file.name} lacks the column {gone[0]!r}",
                given=", ".join(names),
                expected=", ".join(wanted),
                do="deliver the file with this column, or change the names in sources.py",
            )
        return [wanted.get(name, name) for name in names]

    def unreadable(self, file: File, error: Exception) -> DataError:
        """A quote that swallows all is in the first record, where Arrow gives up before it gives a batch."""
        return _unclosed(file, 2) if OUT_OF_STEP in str(error) else super().unreadable(file, error)

    def _reader(self, stream: IO[bytes], broken: Rejects) -> csv.CSVStreamingReader:
        """Every column as bytes: one that is not wanted may show that a line is broken."""
        import pyarrow as pa
        from pyarrow import csv

        def set_aside(row: csv.InvalidRow) -> str:
            fields = f"the line has {row.actual_columns} fields instead of {row.expected_columns}"
            lines = _lines(row.text)
            broken.extend((fields if len(lines) == 1 else UNCLOSED, line) for line in lines)
            return "skip"

        return csv.open_csv(
            stream,
            read_options=csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=csv.ParseOptions(invalid_row_handler=set_aside),
            convert_options=csv.ConvertOptions(
                default_column_type=pa.binary(), null_values=["", *self.missing], strings_can_be_null=True
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


def _unclosed(file: File, line: int) -> DataError:
    return DataError(
        f"a quote in {file.name} is not closed",
        given=f"line {line:,}, where empty lines do not count, and all that follows",
        expected="a value that begins with a quote to end with one, on the same line",
        do="close the quote in the file, or take it away",
    )


def _one_line_each(table: pa.Table) -> tuple[pa.Table, Rejects]:
    """Without the rows that swallowed the lines after them, because a quote was not closed; and those lines."""
    import pyarrow.compute as pc

    over = [pc.match_substring_regex(column, b"[\r\n]") for column in table.columns if _breaks(column)]
    if not over:
        return table, []
    bad = functools.reduce(pc.or_, [pc.fill_null(found, False) for found in over])
    texts = [b",".join(value or b"" for value in row.values()) for row in table.filter(bad).to_pylist()]
    lines = [line for text in texts for line in _lines(text.decode("utf-8", "backslashreplace"))]
    return table.filter(pc.invert(bad)), [(UNCLOSED, line) for line in lines]


def _breaks(column: pa.ChunkedArray) -> bool:
    """Whether the end of a line may be in a value: in the usual case, bytes are looked at rather than values."""
    values = [data.to_pybytes() for chunk in column.chunks if (data := chunk.buffers()[2])]
    return any(end in own for own in values for end in (b"\n", b"\r"))


def _lines(text: str) -> list[str]:
    """The lines that Arrow sees, which takes empty ones for nothing."""
    return [line for line in re.split("[\r\n]", text) if line]
