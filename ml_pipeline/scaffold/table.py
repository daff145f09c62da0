"""What a CSV file holds, as far as its first megabytes show: the kind of every column, and how it fills."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ml_pipeline.errors import DataError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

Role = Literal["number", "level", "text", "time", "unused"]
BYTES = 32 << 20
FEW = 10
"""Different numbers up to which a curve would have too little to bend around."""
MANY = 50
"""Different levels up to which there may be one for every other row."""
WORDS = 4
"""Words in the mean from which on a text is read rather than counted as one of several levels."""


class Column(NamedTuple):
    """A column: its type as a source gives it, and the part it can play in a model."""

    name: str
    type: str
    role: Role
    distinct: int
    missing: int
    why: str = ""


class Table(NamedTuple):
    """The first rows of a file, and its columns."""

    rows: pa.Table
    columns: dict[str, Column]

    def column(self, name: str, purpose: str) -> Column:
        """A column that somebody named.

        Raises:
            UsageError: there is none of that name, or code cannot name it.
        """
        if name not in self.columns:
            raise UsageError(f"the file has no column for {purpose}", given=name, expected=", ".join(self.columns))
        if not name.isidentifier():
            raise UsageError(
                f"the column for {purpose} has a name that code cannot use",
                given=repr(name),
                expected="letters, digits and underscores",
                do="rename the column in the file",
            )
        return self.columns[name]


def read(path: Path) -> Table:
    """The first 32 MiB of a CSV file.

    Raises:
        DataError: it is not there, is no CSV file or holds no rows.
    """
    import pyarrow as pa
    from pyarrow import csv

    try:
        with csv.open_csv(
            path,
            read_options=csv.ReadOptions(block_size=BYTES),
            parse_options=csv.ParseOptions(invalid_row_handler=lambda _: "skip"),
            convert_options=csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True),
        ) as reader:
            rows = pa.table(reader.read_next_batch())
    except (pa.ArrowInvalid, OSError, StopIteration) as error:
        raise DataError(
            f"{path.name} cannot be read", given=str(error), expected="a CSV file with a line of names and rows"
        ) from error
    return Table(rows, {name: _column(name, rows.column(name)) for name in rows.column_names})


def _column(name: str, values: pa.ChunkedArray) -> Column:
    import pyarrow.compute as pc

    distinct, missing = len(pc.unique(values.drop_null())), values.null_count
    kind, role, why = _role(values, distinct)
    return Column(name, kind, role, distinct, missing, why)


def _role(values: pa.ChunkedArray, distinct: int) -> tuple[str, Role, str]:
    """Type and part of a column; where it plays none, why."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "timestamp", "time", ""
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    name = ("bool" if pa.types.is_boolean(kind) else "float64") if numeric else "string"
    if distinct < 2:
        return name, "unused", "it never varies"
    if numeric:
        return name, "number", ""
    if _words(values) >= WORDS:
        return name, "text", ""
    unlike = distinct > max(MANY, len(values) // 2)
    return name, "unused" if unlike else "level", "nearly every value is another" if unlike else ""


def _words(values: pa.ChunkedArray) -> float:
    """Words of a value, in the mean."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(values.type):
        return 0.0
    spaces = pc.mean(pc.count_substring(values, " ")).as_py()
    return 0.0 if spaces is None else float(spaces) + 1.0


def moments(rows: pa.Table, name: str) -> list[dt.datetime | None]:
    """A column of moments, in UTC."""
    import pyarrow as pa

    stamps = rows.column(name).cast(pa.timestamp("us"))
    return [moment and moment.replace(tzinfo=dt.UTC) for moment in stamps.to_pylist()]
