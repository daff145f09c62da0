"""The text of a pipeline.yaml to its checked values; an error names the line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import msgspec
import yaml

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.config_rules import BrokenRule, check_rules
from ml_pipeline.errors import ConfigError

Path = tuple[str | int, ...]
"""Keys and positions from the top of the file down to a value."""


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Plain values, and `on`, `off`, `yes` and `no` are words: a join says what it is on."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def parse(text: str, name: str, overrides: Mapping[str, Any] | None = None) -> UseCaseConfig:
    """Check the text of a pipeline.yaml, with dotted keys of it replaced.

    Raises:
        ConfigError: says the line (or the parameter that replaces it), what stands there and what should.
    """
    source = _Source(name, _compose(text, name), overrides or {})
    raw = _load(text, source)
    try:
        config = msgspec.convert({**raw, "name": name}, UseCaseConfig)
        check_rules(config)
    except msgspec.ValidationError as error:
        raise _explained(error, source, {**raw, "name": name}) from error
    except BrokenRule as error:
        raise ConfigError(
            f"{source.place(error.path)}: {error}",
            given=error.given,
            expected=error.expected,
            do="correct it",
        ) from error
    return config


def value(text: str) -> Any:
    """A value as pipeline.yaml would have it.

    >>> value("0.7"), value("122d"), value("[origin]")
    (0.7, '122d', ['origin'])
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise ConfigError("this is no value", given=text, expected="a value as in YAML") from error


class _Source(NamedTuple):
    """Where values come from, to name the place of one."""

    name: str
    node: yaml.Node
    overrides: Mapping[str, Any]

    def place(self, path: Path) -> str:
        """The parameter that set the value at a path, else its line."""
        dotted = ".".join(map(str, path))
        for key in self.overrides:
            if f"{dotted}.".startswith(f"{key}."):
                return f"the parameter {key!r} of {self.name}"
        return _place(self.name, self.find(path).start_mark)

    def find(self, path: Path) -> yaml.Node:
        """The deepest node of the path that is there; for a section the key above it, so that its line shows."""
        found = self.node
        for depth, wanted in enumerate(path):
            entries = dict(_entries(found))
            if str(wanted) not in entries:
                break
            key, value = entries[str(wanted)]
            found = key if depth == len(path) - 1 and not isinstance(value, yaml.ScalarNode) else value
        return found


def _compose(text: str, name: str) -> yaml.Node:
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _not_plain(error, name) from error
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(
            f"pipeline.yaml of {name} holds no keys", expected="question, key, time, label, sources, model"
        )
    _refuse_duplicates(node, name)
    return node


def _load(text: str, source: _Source) -> dict[str, Any]:
    try:
        raw: dict[str, Any] = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise _not_plain(error, source.name) from error
    for key, value in source.overrides.items():
        _override(raw, key, value)
    if "name" in raw:
        raise ConfigError(
            f"{source.place(('name',))}: 'name' is not a key here",
            given=raw["name"],
            expected=f"nothing: the folder's name, {source.name}, is the use case's",
            do="remove it",
        )
    return raw


def _not_plain(error: yaml.YAMLError, name: str) -> ConfigError:
    problem = " ".join(str(getattr(error, "problem", None) or error).split())
    return ConfigError(
        f"{_place(name, getattr(error, 'problem_mark', None))} is not plain YAML: {problem}", do="correct it"
    )


def _override(raw: dict[str, Any], dotted: str, value: Any) -> None:
    *path, last = dotted.split(".")
    for key in path:
        raw = raw.setdefault(key, {})
        if not isinstance(raw, dict):
            raise ConfigError(
                f"the parameter {dotted!r} goes through {key!r}, which is a single value",
                do=f"name a key of pipeline.yaml, or {key!r} itself",
            )
    raw[last] = value


def _explained(error: msgspec.ValidationError, source: _Source, raw: dict[str, Any]) -> ConfigError:
    """msgspec's message with the line: it says where as `$.sources[...].join`, and not in which of the sources."""
    message, _, where = str(error).partition(" - at ")
    path = _path(where, str(error), raw)
    if unknown := re.search(r"unknown field `(.+)`", message):
        message, path = f"{unknown[1]!r} is not a key here", (*path, unknown[1])
    found = source.find(path)
    given = found.value if isinstance(found, yaml.ScalarNode) and not unknown else ".".join(map(str, path))
    if "matching regex" in message:
        message = "Expected a name of letters, digits and underscores"
    return ConfigError(f"{source.place(path)}: {message}", given=given, do="correct it")


def _path(where: str, message: str, raw: dict[str, Any]) -> Path:
    """`$.a[...].b[1]` as keys; which key `[...]` stands for is found by trying each of them alone."""
    path: Path = ()
    marks = re.findall(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])", where.rpartition("$")[2])
    for name, position, _ in [*marks, *([("", "", "[...]")] if where.startswith("`key`") else [])]:
        path = (*path, name or (int(position) if position else _guilty(path, message, raw)))
    return path


def _guilty(path: Path, message: str, raw: dict[str, Any]) -> str:
    keys: list[str] = list(_at(raw, path))

    def fails(key: str) -> bool:
        trial = deepcopy(raw)
        section = _at(trial, path)
        for other in section.keys() - {key}:
            del section[other]
        try:
            msgspec.convert(trial, UseCaseConfig)
        except msgspec.ValidationError as error:
            return str(error) == message
        return False

    return next(filter(fails, keys))


def _at(raw: Any, path: Path) -> Any:
    for key in path:
        raw = raw[key]
    return raw


def _entries(node: yaml.Node) -> Iterator[tuple[str, tuple[yaml.Node, yaml.Node]]]:
    """What is in a section or list: key or position, as text, with the node of the key and that of the value."""
    if isinstance(node, yaml.MappingNode):
        yield from ((str(key.value), (key, value)) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from ((str(position), (value, value)) for position, value in enumerate(node.value))


def _refuse_duplicates(root: yaml.Node, name: str) -> None:
    """Refuse a key that stands twice in its section, and a section within itself."""
    checked: set[int] = set()

    def check(node: yaml.Node, above: tuple[yaml.Node, ...]) -> None:
        if any(node is other for other in above):
            raise ConfigError(f"{_place(name, node.start_mark)}: a section contains itself", do="remove the alias")
        if id(node) in checked:  # an alias; aliases of aliases would take for ever
            return
        seen: set[str] = set()
        for entry, (key, value) in _entries(node):
            if entry in seen:
                raise ConfigError(f"{_place(name, key.start_mark)}: {entry!r} stands twice", do="remove one of the two")
            seen.add(entry)
            check(value, (*above, node))
        checked.add(id(node))

    check(root, ())


def _place(name: str, mark: Any) -> str:
    return f"pipeline.yaml of {name}" + (f", line {mark.line + 1}" if mark else "")
