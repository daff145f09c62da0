"""Nested values as a flat list of names and what they name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def leaves(value: Any, name: str = "", lists: bool = True) -> Iterator[tuple[str, Any]]:
    """Names in the way of code, and the single values they lead to; a list may count as one.

    >>> dict(leaves({"split": {"test": "8d"}, "on": ["a", "b"]}))
    {'split.test': '8d', 'on[0]': 'a', 'on[1]': 'b'}
    >>> dict(leaves({"on": ["a", "b"]}, lists=False))
    {'on': ['a', 'b']}
    """
    plain = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(plain, dict):
        for key, entry in plain.items():
            yield from leaves(entry, f"{name}.{key}" if name else str(key), lists)
    elif isinstance(plain, list) and lists:
        for position, entry in enumerate(plain):
            yield from leaves(entry, f"{name}[{position}]", lists)
    else:
        yield name, plain
