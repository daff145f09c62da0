"""Values as plain nested tuples that are equal when every bit is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ml_pipeline.columns import Bag, Category

RELATIVE = 1e-9
"""How far sums of floats may be apart that were summed in another order."""


def bits(value: Any) -> Any:
    """A value whatever it holds; categories by word, tuples as lists, and all NaN as one."""
    if isinstance(value, Mapping):
        return ("mapping", tuple((key, bits(own)) for key, own in sorted(value.items(), key=lambda item: str(item[0]))))
    if isinstance(value, Category):
        return ("category", tuple(value.values()))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (type(value).__name__, tuple(bits(getattr(value, own.name)) for own in dataclasses.fields(value)))
    if isinstance(value, list | tuple):
        return ("list", tuple(map(bits, value)))
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, _bytes(value))
    return (type(value).__name__, value.hex() if isinstance(value, float) else repr(value))


def rows(result: Any) -> dict[str, list[Any]]:
    """What a `transform` gave, row by row: columns, the parts of a split, or a prediction a row."""
    if isinstance(result, Mapping):
        return {name: _rows(column) for name, column in result.items()}
    if isinstance(result, list):
        return {f"{part}.{name}": own for part, columns in enumerate(result) for name, own in rows(columns).items()}
    return {"prediction": _rows(result)}


def joined(parts: Iterable[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """Parts under one another."""
    whole: dict[str, list[Any]] = {}
    for part in parts:
        assert not whole or whole.keys() == part.keys(), f"columns {[*part]} instead of {[*whole]}"
        for name, own in part.items():
            whole.setdefault(name, []).extend(own)
    return whole


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Names under which two mappings do not hold the same."""
    return [name for name in {**a, **b} if name not in a or name not in b or a[name] != b[name]]


def apart(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """Where two values differ: whole numbers and words at all, floats by more than rounding explains."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if a.keys() != b.keys():
            yield f"{where}: {sorted(map(str, a.keys() ^ b.keys()))} in one of them only"
        for key in a.keys() & b.keys():
            yield from apart(a[key], b[key], f"{where}.{key}")
    elif dataclasses.is_dataclass(a) and type(a) is type(b):
        for own in dataclasses.fields(a):
            yield from apart(getattr(a, own.name), getattr(b, own.name), f"{where}.{own.name}")
    elif _is_nested(a) and _is_nested(b):
        if len(a) != len(b):
            yield f"{where}: {len(a)} and {len(b)} entries"
        for place, (own, other) in enumerate(zip(a, b, strict=False)):
            yield from apart(own, other, f"{where}[{place}]")
    elif not _is_close(a, b):
        yield f"{where}: {a!r:.60} and {b!r:.60}"


def _is_nested(value: Any) -> bool:
    return isinstance(value, list | tuple) and not all(isinstance(own, float) for own in value)


def _is_close(a: Any, b: Any) -> bool:
    if not all(isinstance(value, float | list | tuple | np.ndarray | np.floating) for value in (a, b)):
        return bits(a) == bits(b) or (isinstance(a, int | np.integer) and a == b)
    own, other = np.asarray(a), np.asarray(b)
    if own.shape != other.shape or own.dtype.kind != "f" or other.dtype.kind != "f":
        return own.shape == other.shape and bool(np.array_equal(own, other))
    # Entries of one sum are as exact as its largest, and what is nearly nothing is as exact as 1.
    scale = max(1.0, float(np.max(np.abs(own[np.isfinite(own)]), initial=0.0)))
    return bool(np.allclose(own, other, rtol=RELATIVE, atol=RELATIVE * scale, equal_nan=True))


def _rows(column: Any) -> list[Any]:
    if isinstance(column, Category):
        return column.values()
    if isinstance(column, Bag):
        held = zip(column.offsets[:-1], column.offsets[1:], strict=True)
        return [(*column.places[start:end].tolist(), column.width, column.words) for start, end in held]
    return [own.tobytes() for own in _one_nan(column)]


def _bytes(array: Any) -> Any:
    return tuple(map(bits, array.tolist())) if array.dtype == object else _one_nan(array).tobytes()


def _one_nan(array: Any) -> Any:
    return np.where(np.isnan(array), np.nan, array) if array.dtype.kind == "f" else array
