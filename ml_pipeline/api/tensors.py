"""Tensors of the Open Inference Protocol as columns, and columns as tensors. JSON has null for what is missing.

A number travels as FP64 (any other numeric type and BOOL are taken too), a category as BYTES, a moment as BYTES in
ISO 8601 and UTC, a block as FP64 of shape (rows, width).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import msgspec
import numpy as np

from ml_pipeline.columns import Category, Column, Columns, Kind, kind
from ml_pipeline.errors import DataError, SchemaError

Decoders = Mapping[str, msgspec.json.Decoder[Any]]
INTEGERS = tuple(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))
DATATYPES: Mapping[Kind, tuple[str, ...]] = {
    "number": ("FP64", "FP32", "FP16", *INTEGERS, "BOOL"),
    "category": ("BYTES",),
    "time": ("BYTES",),
    "block": ("FP64", "FP32", "FP16"),
}
"""What a column is sent as, the usual one first."""
VALUES: Mapping[str, Any] = {
    "BYTES": str | None,
    "BOOL": bool | None,
    **dict.fromkeys(INTEGERS, int | None),
    **dict.fromkeys(("FP64", "FP32", "FP16"), float | None),
}
FLAT: Decoders = {name: msgspec.json.Decoder(list[value]) for name, value in VALUES.items()}  # type: ignore[valid-type]
NESTED: Decoders = {name: msgspec.json.Decoder(list[list[value]]) for name, value in VALUES.items()}  # type: ignore[valid-type]


class InputTensor(msgspec.Struct, frozen=True):
    """A column of a request: `data` row by row, flat or nested."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw
    parameters: dict[str, Any] = {}


class OutputTensor(msgspec.Struct, frozen=True):
    """A column of an answer, `data` flat, row by row; what is missing is null."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class TensorMetadata(msgspec.Struct, frozen=True):
    """What a model takes or gives, -1 for any number."""

    name: str
    datatype: str
    shape: list[int]


def described(columns: Mapping[str, Kind]) -> list[TensorMetadata]:
    """The tensors that columns of these kinds are."""
    return [
        TensorMetadata(name, DATATYPES[own][0], [-1, -1] if own == "block" else [-1]) for name, own in columns.items()
    ]


def empty(columns: Mapping[str, Kind]) -> list[dict[str, Any]]:
    """A row of which nothing is known, as it is sent."""
    return [
        {"name": one.name, "datatype": one.datatype, "shape": [1] * len(one.shape), "data": [None]}
        for one in described(columns)
    ]


def to_columns(tensors: Sequence[InputTensor], kinds: Mapping[str, Kind]) -> dict[str, Column]:
    """The columns that a model reads.

    Raises:
        SchemaError: one of them is missing, or is no column of the model.
        DataError: a tensor is not what it should be.
    """
    given = {tensor.name: tensor for tensor in tensors}
    if wrong := sorted(given.keys() ^ kinds.keys()) or (len(given) < len(tensors) and ["a name"]):
        missing = wrong[0] in kinds
        raise SchemaError(
            f"the input {wrong[0]!r} is {'missing' if missing else 'not one of the model, or there twice'}",
            given=", ".join(tensor.name for tensor in tensors),
            expected=", ".join(kinds),
            do="send each input of the model once",
        )
    values = {name: _checked(given[name], own) for name, own in kinds.items()}
    if len({tensor.shape[0] for tensor in tensors}) > 1:
        raise DataError(
            "the inputs differ in rows",
            given=", ".join(f"{tensor.name} {tensor.shape[0]}" for tensor in tensors)[:300],
            expected="the same number of each",
        )
    # All numbers at once: to make an array of one takes as long as to make one of twenty. None becomes NaN.
    numbers = iter(np.array([values[name] for name, own in kinds.items() if own == "number"], np.float64))
    return {
        name: next(numbers) if own == "number" else _column(given[name], own, values[name])
        for name, own in kinds.items()
    }


def rows(tensors: Sequence[InputTensor]) -> int:
    """How many rows the tensors say that they have."""
    return max((tensor.shape[0] for tensor in tensors if tensor.shape), default=0)


def from_columns(columns: Columns) -> list[OutputTensor]:
    """The columns of an answer."""
    return [
        OutputTensor(name, _shape(column), DATATYPES[kind(column)][0], _data(column))
        for name, column in columns.items()
    ]


def nothing(kinds: Mapping[str, Kind]) -> dict[str, Column]:
    """A row of which nothing is known."""
    empty: dict[Kind, Column] = {
        "number": np.array([np.nan]),
        "category": Category.of([None]),
        "time": np.array(["NaT"], "datetime64[us]"),
    }
    return {name: empty[own] for name, own in kinds.items() if own in empty}


def _checked(tensor: InputTensor, own: Kind) -> list[Any]:
    """Its values, as many as its shape says, of a datatype that the column may be sent as."""
    if tensor.datatype not in DATATYPES[own]:
        raise _wrong(tensor, f"the datatype {tensor.datatype}", f"one of {', '.join(DATATYPES[own])}")
    flat = len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1)
    if min(tensor.shape, default=0) < 1 or not (flat or (own == "block" and len(tensor.shape) == 2)):
        raise _wrong(tensor, f"the shape {tensor.shape}", "[rows, width]" if own == "block" else "[rows]")
    values = _values(tensor)
    if len(values) != prod(tensor.shape):
        raise _wrong(tensor, f"{len(values)} values", f"{prod(tensor.shape)}, as the shape says")
    return values


def _column(tensor: InputTensor, own: Kind, values: list[Any]) -> Column:
    """A column of anything but plain numbers."""
    if own == "category":
        return Category.of(values)
    if own == "time":
        return _moments(tensor, values)
    return np.array(values, np.float64).reshape(tensor.shape)


def _values(tensor: InputTensor) -> list[Any]:
    try:
        return list(FLAT[tensor.datatype].decode(tensor.data))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if not bytes(tensor.data).startswith(b"[["):
            raise _wrong(tensor, str(error), f"a list of {tensor.datatype}, or null") from error
    try:
        return [value for row in NESTED[tensor.datatype].decode(tensor.data) for value in row]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong(tensor, str(error), f"lists of {tensor.datatype}, or null") from error


def _moments(tensor: InputTensor, values: list[Any]) -> Column:
    try:
        return np.array([_utc(value) for value in values], "datetime64[us]")
    except ValueError as error:
        raise _wrong(tensor, str(error), "moments in UTC, such as 2013-09-01T12:00:00Z") from error


def _utc(value: str | None) -> str:
    return "NaT" if value is None else value.removesuffix("Z")


def _wrong(tensor: InputTensor, given: str, expected: str) -> DataError:
    return DataError(f"the input {tensor.name!r} is not what it should be", given=given, expected=expected)


def _shape(column: Column) -> list[int]:
    return list(column.shape) if isinstance(column, np.ndarray) else [len(column)]


def _data(column: Column) -> list[Any]:
    """Values that JSON knows; NaN is written as null."""
    if isinstance(column, Category):
        return column.values()
    if column.dtype.kind == "M":
        texts = np.datetime_as_string(column.astype("datetime64[us]"), timezone="UTC")
        return [None if text == "NaT" else text for text in texts.tolist()]
    return column.ravel().tolist()
