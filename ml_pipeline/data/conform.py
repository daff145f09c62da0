"""Records made to fit the types a source promises; those that cannot are set aside with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_pipeline.errors import SchemaError

if TYPE_CHECKING:
    import pyarrow as pa

Rejects = list[tuple[str, Any]]


def conform(batch: pa.RecordBatch | pa.Table, types: Mapping[str, str], source: str) -> tuple[pa.Table, Rejects]:
    """The batch with exactly these columns and types, without the rows of which a value does not fit.

    Of a row that is set aside, the value that does not fit comes first, so that it is seen where a record is shown.

    Raises:
        SchemaError: a column is missing, or a type is none.
    """
    import pyarrow as pa

    table = batch if isinstance(batch, pa.Table) else pa.table(batch)
    if missing := [name for name in types if name not in table.column_names]:
        raise SchemaError(
            f"the source {source} lacks the column {missing[0]!r}",
            given=", ".join(table.column_names),
            expected=", ".join(types),
            do="deliver the column, or change the types in sources.py",
        )
    table = table.select(list(types))
    kinds = {name: arrow_type(kind, source) for name, kind in types.items()}
    bad: dict[int, str] = {}
    for name, kind in kinds.items():
        bad = dict.fromkeys(_misfits(table.column(name), kind), name) | bad
    kept, rejects = drop(table, {row: f"{name} is not of type {types[name]}" for row, name in bad.items()})
    shown = [_first(bad[row], *reject) for row, reject in zip(sorted(bad), rejects, strict=True)]
    return pa.table({name: _cast(kept.column(name), kind) for name, kind in kinds.items()}), shown


def _first(name: str, reason: str, record: dict[str, Any]) -> tuple[str, Any]:
    return reason, {name: record[name], **record}


def drop(table: pa.Table, reasons: Mapping[int, str]) -> tuple[pa.Table, Rejects]:
    """The table without some rows, and those rows with the reason for each."""
    import pyarrow as pa

    if not reasons:
        return table, []
    bad = sorted(reasons)
    records = table.take(pa.array(bad)).to_pylist()
    mask = pa.array([row not in reasons for row in range(table.num_rows)])
    return table.filter(mask), [(reasons[row], _legible(record)) for row, record in zip(bad, records, strict=True)]


def _cast(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Values as another type, NaN as a missing one; all-null columns fit any type."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(values.type) and not pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if len(values) == values.null_count:
        return pa.chunked_array([pa.nulls(len(values), kind)])
    if pa.types.is_timestamp(values.type) and pa.types.is_timestamp(kind):
        return values.cast(kind, safe=False)  # whatever is finer than a microsecond is cut off
    if pa.types.is_string(values.type) and pa.types.is_timestamp(kind):
        values = _zoned(values)
    return values.cast(kind)


def _zoned(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """A day or moment without a zone is in UTC."""
    import pyarrow.compute as pc

    moments = pc.replace_substring_regex(texts, r"^(\d{4}-\d\d-\d\d)$", r"\1 00:00")
    return pc.replace_substring_regex(moments, r"^(\d{4}-\d\d-\d\d[ T][0-9:.]+)$", r"\1Z")


def _misfits(values: pa.ChunkedArray, kind: pa.DataType) -> list[int]:
    """Rows whose value cannot be cast; none in the usual case, which costs one cast."""
    import pyarrow as pa

    if _fits(values, kind):
        return []
    if pa.types.is_nested(values.type):
        return [row for row, value in enumerate(values.to_pylist()) if value is not None]
    words = values.combine_chunks().dictionary_encode()
    words = words.combine_chunks() if isinstance(words, pa.ChunkedArray) else words
    good = [_fits(pa.chunked_array([words.dictionary.slice(code, 1)]), kind) for code in range(len(words.dictionary))]
    return [row for row, code in enumerate(words.indices.to_pylist()) if code is not None and not good[code]]


def _fits(values: pa.ChunkedArray, kind: pa.DataType) -> bool:
    import pyarrow as pa

    try:
        _cast(values, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _legible(record: dict[str, Any]) -> dict[str, Any]:
    """Bytes that are no text show as escapes."""
    return {
        name: value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
        for name, value in record.items()
    }


def arrow_type(kind: str, source: str) -> pa.DataType:
    """The type that a source's `types` name.

    Raises:
        SchemaError: it is none.
    """
    import pyarrow as pa

    try:
        return pa.timestamp("us", "UTC") if kind == "timestamp" else pa.type_for_alias(kind)
    except ValueError as error:
        raise SchemaError(
            f"the source {source} promises a type that is none",
            given=kind,
            expected="string, int64, float64, bool or timestamp",
            do="correct the types in sources.py",
        ) from error
