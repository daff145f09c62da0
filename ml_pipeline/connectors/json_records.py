"""Nested JSON objects made rows of a table; those of another shape are set aside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ml_pipeline.data.conform import Rejects
from ml_pipeline.data.sources import Records, Types
from ml_pipeline.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

MARK = b"\xef\xbb\xbf"
NOT_JSON = (msgspec.DecodeError, ValueError, RecursionError)
"""What `decode` raises. A text in another encoding is a ValueError, an object nested too deeply a RecursionError."""


EXACT = 2.0**53
"""Below it, every whole number is a float of its own."""


class Broken(NamedTuple):
    """What stands where a record should be."""

    reason: str
    text: str


def decode(content: bytes) -> Any:
    """A JSON document in UTF-8, with or without a byte-order mark."""
    return msgspec.json.decode(content.removeprefix(MARK))


class JsonRecords:
    """Objects to rows.

    A path joins keys with dots; where one of them is not there, the value is missing. A key that ends in `[]` holds a
    list: its entries, each followed along the rest of the path, become one text with a line for each, and a list
    without entries a missing value. All values are given as text (true, false; 3.0 as 3), so what becomes of one never
    depends on the others around it; `conform` makes numbers of them.

    Args:
        types: The columns that are wanted.
        paths: Column -> path; without one, the column's name is the key.

    Raises:
        UsageError: a path is that of no column.

    >>> flat = JsonRecords({"id": "string", "phases": "string"}, {"id": "module.id", "phases": "module.phases[]"})
    >>> flat.records([{"module": {"id": "N1", "phases": ["PHASE1", "PHASE2"]}}, {}]).batch.to_pylist()
    [{'id': 'N1', 'phases': 'PHASE1\\nPHASE2'}, {'id': None, 'phases': None}]
    """

    def __init__(self, types: Types, paths: Mapping[str, str]) -> None:
        if unknown := [name for name in paths if name not in types]:
            raise UsageError(
                f"there is a path for {unknown[0]!r}, which is no column",
                expected=", ".join(types),
                do="correct the paths or the types in sources.py",
            )
        self.types = types
        self.steps = {name: paths[name].split(".") if name in paths else [name] for name in types}

    def records(self, found: Iterable[Any]) -> Records:
        """Rows of all objects that have the right shape, and the rest."""
        rows: list[list[str | None]] = []
        rejects: Rejects = []
        for record in found:
            row = self.row(record)
            if isinstance(row, str):
                rejects.append((row, record.text if isinstance(record, Broken) else record))
            else:
                rows.append(row)
        return Records(self.table(rows), rejects)

    def table(self, rows: Sequence[list[str | None]]) -> pa.Table:
        """Rows, as `row` gives them, as a table of text."""
        import pyarrow as pa

        columns = zip(*rows, strict=True) if rows else ((),) * len(self.types)
        return pa.table({name: pa.array(values, pa.string()) for name, values in zip(self.types, columns, strict=True)})

    def row(self, record: Any) -> list[str | None] | str:
        """The values of a record, or why there are none."""
        if not isinstance(record, dict):
            return record.reason if isinstance(record, Broken) else "the record is not an object"
        row = []
        for name, steps in self.steps.items():
            try:
                row.append(_joined(record, steps))
            except _ShapeError:
                return f"{name} is not of type {self.types[name]}"
        return row


class _ShapeError(Exception):
    """An object or a list where a value should be, or the other way round."""


def _joined(record: dict[str, Any], steps: list[str]) -> str | None:
    texts = list(_texts(record, steps))
    if any(step.endswith("[]") for step in steps):
        return "\n".join(" ".join(text.splitlines()) for text in texts) if texts else None
    return texts[0] if texts else None


def _texts(value: Any, steps: list[str]) -> Iterator[str]:
    """The values at the end of a path: one at most, unless a list is on the way."""
    if value is None:
        return
    if not steps:
        yield _text(value)
        return
    key, rest = steps[0], steps[1:]
    if not isinstance(value, dict):
        raise _ShapeError
    inner = value.get(key.removesuffix("[]"))
    if not key.endswith("[]"):
        yield from _texts(inner, rest)
        return
    if not isinstance(inner, list | None):
        raise _ShapeError
    for entry in inner or ():
        yield from _texts(entry, rest)


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        raise _ShapeError
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return str(int(value))
    return str(value)
