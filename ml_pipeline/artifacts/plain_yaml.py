"""YAML of plain values: safe to load, quick with the C parser, floats exact to the last bit."""

from __future__ import annotations

import re
from collections.abc import Collection
from copy import deepcopy
from functools import lru_cache
from typing import Any

import yaml

from ml_pipeline.errors import IntegrityError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Base = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
DEEPEST = 100
"""Levels of lists and mappings in one another; the C parser would end the process at some ten thousand."""

_ENTRY = re.compile(rb"^(?=[^\s-])", re.M)
"""Where an entry of a mapping begins: all that belongs to one is indented, or an item of its list."""
SMALL = 1 << 16
"""Bytes up to which a file's values are remembered: a run reads the same few descriptions again and again."""


class _Dumper(_Base):  # type: ignore[misc, valid-type]
    """Short lists of plain values stand on one line, and nothing is written as an alias."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _sequence(dumper: Any, values: Any) -> yaml.Node:
    flat = all(not isinstance(value, dict | list | tuple) for value in values)
    node: yaml.Node = dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=flat)
    return node


_Dumper.add_representer(list, _sequence)
_Dumper.add_representer(tuple, _sequence)


def dump(value: Any) -> bytes:
    """UTF-8 YAML, keys in the order given."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text.encode()


def load(content: bytes, where: str = "a YAML file") -> Any:
    """Plain values.

    Raises:
        IntegrityError: it is no YAML, or asks for anything but plain values.
    """
    try:
        return deepcopy(_remembered(content)) if len(content) <= SMALL else _values(content)
    # Where a value is not what its standard tag says, the parser falls over it in one of the latter ways.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        raise IntegrityError(
            "a YAML file cannot be loaded",
            given=f"{where}: {' '.join(str(error).split())}",
            expected="plain values without tags",
            do="restore the file as it was written; tags that make Python objects are never followed",
        ) from error


def cut(content: bytes, names: Collection[str]) -> bytes:
    r"""Of a mapping as `dump` writes it only some keys, so that the rest, which may be long, is not parsed.

    >>> cut(b"a: 1\nb:\n  c: 2\nd:\n- 3\n", ["a", "d"])
    b'a: 1\nd:\n- 3\n'
    """
    wanted = {name.encode() for name in names}
    return b"".join(entry for entry in _ENTRY.split(content) if entry.partition(b":")[0] in wanted)


def _values(content: bytes) -> Any:
    _refuse_traps(content)
    return yaml.load(content, Loader=_Loader)  # noqa: S506 - a safe loader


_remembered = lru_cache(maxsize=64)(_values)


def _refuse_traps(content: bytes) -> None:
    """What `dump` never writes: aliases, ten lines of which can be a thousand million values, and endless nesting."""
    depth = 0
    for event in yaml.parse(content, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST or getattr(event, "anchor", None):
            raise yaml.YAMLError("it holds an alias, or is nested too deeply")
