"""The text of a pipeline.yaml to its checked values; an error names the line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import yaml

from ml_pipeline.config import SourceConfig, UseCaseConfig
from ml_pipeline.durations import microseconds
from ml_pipeline.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """Plain values, and `on`, `off`, `yes` and `no` are words: a join says what it is on."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def parse(text: str, name: str, overrides: Mapping[str, Any] | None = None) -> UseCaseConfig:
    """Check the text of a pipeline.yaml.

    Raises:
        ConfigError: says the line, what stands there and what should.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(f"{_place(name, mark)} is not plain YAML: {getattr(error, 'problem', error)}") from error
    if not isinstance(raw, dict) or node is None:
        raise ConfigError(
            f"pipeline.yaml of {name} holds no keys", expected="question, key, time, label, sources, model"
        )
    _refuse_duplicates(node, name)
    for key, value in (overrides or {}).items():
        _override(raw, key, value)
    try:
        config = msgspec.convert({"name": name, **raw}, UseCaseConfig)
        _check(config)
    except msgspec.ValidationError as error:
        raise _located(error, node, name) from error
    except _Wrong as error:
        mark = _find(node, error.path).start_mark
        raise ConfigError(f"{_place(name, mark)}: {error}", given=error.given, expected=error.expected) from error
    return config


class _Wrong(Exception):
    def __init__(self, what: str, path: tuple[str, ...], given: object, expected: str) -> None:
        super().__init__(what)
        self.path, self.given, self.expected = path, given, expected


def _check(config: UseCaseConfig) -> None:
    """What types cannot say."""
    drivers = [name for name, source in config.sources.items() if source.drives]
    if len(drivers) != 1:
        raise _Wrong(
            "exactly one source drives", ("sources",), ", ".join(drivers) or "none", "drives: true on one source"
        )
    for name, source in config.sources.items():
        _check_source(config, name, source)
    for key in ("horizon", "ahead"):
        _check_duration(getattr(config, key), (key,))
    for key in ("validation", "test"):
        if config.split.by == "time":
            _check_duration(getattr(config.split, key), ("split", key))
        elif not re.fullmatch(r"\d+(\.\d+)?%", getattr(config.split, key)):
            raise _Wrong(
                f"split.{key} is not a share", ("split", key), getattr(config.split, key), "a share such as 10%"
            )
    if not re.fullmatch(r"\d+(\.\d+)?%", config.quarantine.at_most):
        raise _Wrong(
            "at_most is not a share", ("quarantine", "at_most"), config.quarantine.at_most, "a share such as 1%"
        )
    try:
        _ = config.resources.memory_bytes
    except ConfigError as error:
        raise _Wrong("memory is not a size", ("resources", "memory"), error.given, error.expected) from error


def _check_source(config: UseCaseConfig, name: str, source: SourceConfig) -> None:
    path = ("sources", name)
    if bool(source.reader) == bool(source.derived):
        raise _Wrong(
            f"{name} needs either a reader or from", path, "both" if source.reader else "neither", "one of them"
        )
    if source.derived and (source.derived not in config.sources or config.sources[source.derived].derived):
        known = ", ".join(other for other, its in config.sources.items() if its.reader)
        raise _Wrong(f"{name} is made from a source that is not there", path, source.derived, f"one of {known}")
    if source.drives and (not source.known or source.join):
        raise _Wrong(
            f"{name} drives, so it has known and no join",
            path,
            "known" if source.known else "no known",
            "known: COLUMN",
        )
    if not source.drives and not source.join:
        raise _Wrong(f"{name} does not say how it is joined", path, "no join", "join: {on: [COLUMN]}")
    if source.join and source.join.tolerance:
        _check_duration(source.join.tolerance, (*path, "join", "tolerance"))


def _check_duration(text: str, path: tuple[str, ...]) -> None:
    try:
        microseconds(text)
    except ConfigError as error:
        raise _Wrong(
            f"{'.'.join(path)} is not a duration", path, text, "a number and a unit, such as 90s, 15min, 2h or 30d"
        ) from error


def _override(raw: dict[str, Any], dotted: str, value: Any) -> None:
    *path, last = dotted.split(".")
    for key in path:
        raw = raw.setdefault(key, {})
        if not isinstance(raw, dict):
            raise ConfigError(f"the parameter {dotted!r} goes through {key!r}, which is a single value")
    raw[last] = value


def _located(error: msgspec.ValidationError, node: yaml.Node, name: str) -> ConfigError:
    """Turn msgspec's `… - at `$.a.b`` into the line of that key."""
    message, _, where = str(error).partition(" - at ")
    path = tuple(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", where.strip("`")))
    unknown = re.search(r"unknown field `(\w+)`", message)
    if unknown:
        message = f"{unknown[1]!r} is not a key here"
        path = (*path, unknown[1])
    found = _find(node, path)
    given = found.value if isinstance(found, yaml.ScalarNode) and not unknown else ".".join(path)
    return ConfigError(f"{_place(name, found.start_mark)}: {message}", given=given, do="correct that line")


def _find(node: yaml.Node, path: tuple[str, ...]) -> yaml.Node:
    """The deepest node of the path that is there; for a key that is last, the key itself so that its line shows."""
    for step, wanted in enumerate(path):
        if not isinstance(node, yaml.MappingNode):
            return node
        pair = next(((k, v) for k, v in node.value if k.value == wanted), None)
        if pair is None:
            return node
        node = pair[0] if step == len(path) - 1 and not isinstance(pair[1], yaml.ScalarNode) else pair[1]
    return node


def _refuse_duplicates(node: yaml.Node, name: str) -> None:
    for mapping in _mappings(node):
        keys: set[str] = set()
        for key, _ in mapping.value:
            if key.value in keys:
                raise ConfigError(
                    f"{_place(name, key.start_mark)}: {key.value!r} stands twice", do="remove one of the two"
                )
            keys.add(key.value)


def _mappings(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mappings(value)


def _place(name: str, mark: Any) -> str:
    return f"pipeline.yaml of {name}" + (f", line {mark.line + 1}" if mark else "")
