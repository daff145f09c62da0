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

    Raises:
        SchemaError: a column is missing.
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
    reasons: dict[int, str] = {}
    for name, kind in types.items():
        reasons = _misfits(table.column(name), name, kind) | reasons
    kept, rejects = drop(table, reasons)
    return pa.table({name: _cast(kept.column(name), kind) for name, kind in types.items()}), rejects


def drop(table: pa.Table, reasons: Mapping[int, str]) -> tuple[pa.Table, Rejects]:
    """The table without some rows, and those rows with the reason for each."""
    import pyarrow as pa

    if not reasons:
        return table, []
    bad = sorted(reasons)
    records = table.take(pa.array(bad)).to_pylist()
    mask = pa.array([row not in reasons for row in range(table.num_rows)])
    return table.filter(mask), [(reasons[row], record) for row, record in zip(bad, records, strict=True)]


def _cast(values: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    return values.cast(_arrow_type(kind))


def _misfits(values: pa.ChunkedArray, name: str, kind: str) -> dict[int, str]:
    """Row -> reason for the values that cannot be cast; empty in the usual case, which costs one cast."""
    import pyarrow as pa

    try:
        _cast(values, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        verdicts = {value: _fits(value, values.type, kind) for value in values.unique().to_pylist()}
        reason = f"{name} is not of type {kind}"
        return {row: reason for row, value in enumerate(values.to_pylist()) if not verdicts[value]}
    return {}


def _fits(value: Any, given: pa.DataType, kind: str) -> bool:
    import pyarrow as pa

    try:
        pa.chunked_array([[value]], type=given).cast(_arrow_type(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    return pa.timestamp("us", "UTC") if kind == "timestamp" else pa.type_for_alias(kind)
