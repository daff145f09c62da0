"""Files of comma-separated values; a record is one line."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, ClassVar

from ml_pipeline.connectors.file_source import FileSource
from ml_pipeline.connectors.files import File
from ml_pipeline.data.conform import Rejects, conform
from ml_pipeline.data.sources import Records

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv

BLOCK_BYTES = 8 << 20


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

    def parse(self, file: File, stream: IO[bytes]) -> Iterator[Records]:
        """The records of one file, in batches of 8 MB."""
        import pyarrow as pa

        broken: Rejects = []
        reader = self._reader(stream, broken)
        for batch in reader:
            yield self._sound(file, pa.table(batch), broken)
        yield self._sound(file, reader.schema.empty_table(), broken)  # what is broken at the end comes with no batch

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

    def _sound(self, file: File, table: pa.Table, broken: Rejects) -> Records:
        """The lines that are one record each, as text, and those that are broken."""
        columns = self.columns(file, table.column_names)
        table, unclosed = _one_line_each(table)
        text, unreadable = conform(table, dict.fromkeys(columns, "string"), file.name)
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
