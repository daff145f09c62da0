"""What a CSV file holds, as far as its first megabytes show: the kind of every column, and how it fills."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ml_pipeline.connectors import CsvFiles
from ml_pipeline.data.conform import Rejects, conform
from ml_pipeline.data.sources import Window
from ml_pipeline.errors import DataError, UsageError
from ml_pipeline.scaffold.names import own_names

if TYPE_CHECKING:
    import pyarrow as pa

Role = Literal["number", "level", "text", "time", "leak", "unused"]
BATCHES = 4
"""Batches of 8 MB that are looked at."""
SHARE = 0.95
"""Share of the values there are that must be numbers (moments) for a column to be one of numbers (moments)."""
SAMPLE = 1_000
"""Rows that are tried before all are."""
FEW = 10
"""Different numbers up to which a curve would have too little to bend around."""
MANY = 50
"""Different levels up to which there may be one for every other row."""
WORDS = 4
"""Words in the mean from which on a text is read rather than counted as one of several levels."""
NO_VALUE = (
    *("-", "--", "?", ".", "n/a", "#n/a", "n.a.", "na", "null", "none", "nil"),
    *("unknown", "missing", "not available", "not known"),
)
"""What people write where a number or a moment is not known, in lower case."""
OFFSET = r"(Z|[+-]\d\d(:?\d\d)?)$"


class Column(NamedTuple):
    """A column: its type as a source gives it, and the part it can play in a model.

    `unread` counts values that cannot be read as that type, such as `example`; `local` moments without an offset.
    """

    name: str
    type: str
    role: Role
    distinct: int
    missing: int
    why: str = ""
    unread: int = 0
    example: str = ""
    local: int = 0


class Table(NamedTuple):
    """The first rows of a file: as `text`, and as `values` of their types; its columns; lines that are no records.

    `names` has the columns that are called otherwise in the file, `missing` the words that stand for no value.
    """

    text: pa.Table
    values: pa.Table
    columns: dict[str, Column]
    broken: Rejects
    names: dict[str, str]
    missing: tuple[str, ...]

    def called(self, purpose: str, name: str) -> str:
        """The column that somebody named for a purpose, as it is called in the file or here.

        Raises:
            UsageError: it is not there.
        """
        own = {there: own for own, there in self.names.items()}.get(name, name)
        if own not in self.columns:
            there = ", ".join(self.names.get(own, own) for own in self.columns)
            raise UsageError(f"the file has no column for {purpose}", given=name, expected=there)
        return own


def read(path: Path) -> Table:
    """The first 32 MB of a CSV file.

    Raises:
        DataError: it is not there, is no CSV file or holds no rows.
    """
    import pyarrow as pa

    called = own_names(_names(path))
    names = {own: there for there, own in called.items() if own != there}
    source = CsvFiles(dict.fromkeys(called.values(), "string"), address=path.absolute(), names=names)
    found = list(islice(source.read(Window(None, dt.datetime.now(dt.UTC))), BATCHES))
    text = pa.concat_tables([pa.table(records.batch) for records in found])
    broken = [reject for records in found for reject in records.rejects]
    if not text.num_rows:
        raise DataError(
            f"{path.name} holds no records", given=f"{len(broken):,} lines, such as {broken[0][1]!r}", expected="rows"
        )
    missing = _no_values(text)
    text = pa.table({name: _without(text.column(name), missing) for name in text.column_names})
    read_as = {name: _column(name, text.column(name)) for name in text.column_names}
    values = pa.table({name: values for name, (_, values) in read_as.items()})
    return Table(text, values, {name: column for name, (column, _) in read_as.items()}, broken, names, missing)


def _names(path: Path) -> list[str]:
    """The names in the first line; a column without one is nobody's."""
    names = [name for name in CsvFiles({}).header(path.absolute()) if name.strip()]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise DataError(
            f"{path.name} has the column {twice[0]!r} twice",
            given=", ".join(names),
            expected="another name for every column",
            do="rename one of them in the file",
        )
    return names


def _no_values(text: pa.Table) -> tuple[str, ...]:
    """The words for no value in columns that, without them, are numbers or moments."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = set[str]()
    for column in text.columns:
        words = pc.unique(column.filter(pc.is_in(pc.utf8_lower(column), pa.array(NO_VALUE)))).to_pylist()
        if words and _kind(_without(column, words))[0] != "string":
            found.update(words)
    return tuple(sorted(found))


def _without(column: pa.ChunkedArray, words: Sequence[str]) -> pa.ChunkedArray:
    """A column in which some words stand for no value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.is_in(column, pa.array(words, pa.string())), None, column) if words else column


def _column(name: str, text: pa.ChunkedArray) -> tuple[Column, pa.ChunkedArray]:
    """A column and its values; those that cannot be read are missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, bad = _kind(text)
    unread = pc.is_in(text, bad)
    values = conform(pa.table({name: pc.if_else(unread, None, text)}), {name: kind}, name)[0].column(name)
    distinct = len(pc.unique(values.drop_null()))
    role, why = _role(values, kind, distinct)
    return (
        Column(name, kind, role, distinct, text.null_count, why)._replace(
            unread=pc.sum(unread).as_py() or 0,
            example=bad[0].as_py() if len(bad) else "",
            local=_local(text) if kind == "timestamp" else 0,
        ),
        values,
    )


def _kind(text: pa.ChunkedArray) -> tuple[str, pa.Array]:
    """The type that most values have, and the different values that do not have it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    there = text.drop_null()
    sample = there.take(pa.array(range(0, len(there), max(1, len(there) // SAMPLE))))
    for kind in ("float64", "bool", "timestamp") if len(there) else ():
        if _share(sample, unreadable(sample, kind)) < SHARE - 0.05:
            continue
        bad = unreadable(there, kind)
        if _share(there, bad) >= SHARE:
            return kind, bad
    return "string", pc.unique(there)[:0]


def unreadable(values: pa.ChunkedArray, kind: str) -> pa.Array:
    """The different values that are not of a type, the most frequent first."""
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = pc.value_counts(values)
    words = counts.field("values").take(pc.array_sort_indices(counts.field("counts"), order="descending"))
    bad = [record["word"] for _, record in conform(pa.table({"word": words}), {"word": kind}, "")[1]]
    return pa.array(bad, pa.string())


def _share(values: pa.ChunkedArray, bad: pa.Array) -> float:
    """Of the values, those that are not bad."""
    import pyarrow.compute as pc

    return 1.0 - (pc.sum(pc.is_in(values, bad)).as_py() or 0) / max(1, len(values))


def _local(text: pa.ChunkedArray) -> int:
    """Moments of the day without an offset; a mere day is none."""
    import pyarrow.compute as pc

    timed = pc.match_substring_regex(text, r"\d[ T]\d")
    bare = pc.and_(timed, pc.invert(pc.match_substring_regex(text, OFFSET)))
    return int(pc.sum(bare).as_py() or 0)


def _role(values: pa.ChunkedArray, kind: str, distinct: int) -> tuple[Role, str]:
    """The part of a column; where it plays none, why."""
    if distinct < 2:
        return "unused", "it never varies"
    if kind != "string":
        return ("time" if kind == "timestamp" else "number"), ""
    if _words(values) >= WORDS:
        return "text", ""
    if distinct > max(MANY, len(values) // 2):
        return "unused", "nearly every value is another"
    return "level", ""


def _words(values: pa.ChunkedArray) -> float:
    """Words of a value, in the mean."""
    import pyarrow.compute as pc

    spaces = pc.mean(pc.count_substring(values, " ")).as_py()
    return 0.0 if spaces is None else float(spaces) + 1.0


def moments(values: pa.Table, name: str) -> list[dt.datetime | None]:
    """A column of moments, in UTC."""
    import pyarrow as pa

    stamps = values.column(name).cast(pa.timestamp("us"))
    return [moment and moment.replace(tzinfo=dt.UTC) for moment in stamps.to_pylist()]
