"""A stored YAML file as a typed value, or an error that names the file."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.errors import IntegrityError

T = TypeVar("T")


def dump(value: msgspec.Struct) -> bytes:
    """YAML, as it is stored."""
    return plain_yaml.dump(msgspec.to_builtins(value))


def load(content: bytes, kind: type[T], where: str) -> T:
    """The value that a file holds.

    Raises:
        IntegrityError: it is not such a file.
    """
    try:
        return msgspec.convert(plain_yaml.load(content, where), kind)
    except msgspec.ValidationError as error:
        raise IntegrityError(
            f"this is no {kind.__name__.lower()}",
            given=f"{where}: {error}",
            expected="the file as it was written",
            do="restore it",
        ) from error
