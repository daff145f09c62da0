"""pipeline.yaml as frozen typed values: unknown keys are refused, and an error names the line.

A use case is found by its name: a folder in `ml_pipeline/use_cases`, or an entry point of the group
`ml_pipeline.use_cases` in an installed package.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import yaml

from ml_pipeline.contract import Mode
from ml_pipeline.durations import duration
from ml_pipeline.errors import ConfigError, UsageError

BUILT_IN = Path(__file__).parent / "use_cases"
ENTRY_POINTS = "ml_pipeline.use_cases"
Name = Annotated[str, msgspec.Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]


class _Loader(yaml.SafeLoader):
    """Plain values, and `on`, `off`, `yes` and `no` are words: a join says what it is on."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all sections: nothing but the keys below."""


class Join(_Strict):
    """How a source meets the driving one: equal keys, and the latest row no older than `tolerance`, if as-of."""

    on: list[Name] | dict[Name, Name]
    as_of: Name | None = None
    tolerance: str | None = None

    @property
    def keys(self) -> dict[str, str]:
        """Column of the driving source -> column of this source."""
        return {name: name for name in self.on} if isinstance(self.on, list) else self.on


class SourceConfig(_Strict, rename={"derived": "from"}):
    """Where records come from (`reader`, or another source's history: `from`) and what prepares them.

    `known` names the column that says when a record became known; without one, a source is read whole. `truth`
    names columns that are known only together with the label.
    """

    prepare: str
    reader: str = ""
    derived: str = ""
    known: Name | None = None
    drives: bool = False
    truth: list[Name] = []
    join: Join | None = None


class Split(_Strict):
    """`by: time`: the last `test` and the `validation` before it, as durations. `by: hash`: shares of the keys."""

    by: Literal["time", "hash"] = "time"
    validation: str = "30d"
    test: str = "60d"


class Evaluate(_Strict):
    """What a model must reach on the test rows, where to look closer, and how many bootstrap replicates."""

    floors: dict[str, float] = {}
    slices: list[Name] = []
    replicates: Annotated[int, msgspec.Meta(ge=20, le=10_000)] = 200


class Schedule(_Strict):
    """Cron expressions in the use case's time zone."""

    offline: str | None = None
    online: str | None = None


class Services(_Strict):
    """Stages that share a container, by the service's name."""

    offline: dict[Name, list[str]] = {}
    online: dict[Name, list[str]] = {}

    def of(self, mode: Mode) -> dict[str, list[str]]:
        """The groups of a mode."""
        return self.offline if mode == "offline" else self.online


class Quarantine(_Strict):
    """The share of a stage's records that may be set aside before the run stops."""

    at_most: str = "1%"

    @property
    def share(self) -> float:
        """As a fraction."""
        return float(self.at_most.removesuffix("%")) / 100


class Resources(_Strict):
    """What a stage may use: processes on this machine stay within them, containers are held to them."""

    memory: str = "2GB"
    cpus: Annotated[float, msgspec.Meta(gt=0)] = 2.0

    @property
    def memory_bytes(self) -> int:
        """`512MB`, `2GB` (powers of 1024) as bytes."""
        match = re.fullmatch(r"(\d+)\s*(MB|GB)", self.memory)
        if not match:
            raise ConfigError(
                "resources.memory is not a size", given=self.memory, expected="a size such as 512MB or 2GB"
            )
        return int(match[1]) << (20 if match[2] == "MB" else 30)


class UseCaseConfig(_Strict):
    """All of pipeline.yaml."""

    name: str
    question: str
    key: Name
    time: Name
    label: Name
    model: str
    sources: dict[Name, SourceConfig]
    postprocess: str
    horizon: str = "0s"
    ahead: str = "1d"
    timezone: str = "UTC"
    seed: int = 0
    split: Split = Split()
    evaluate: Evaluate = Evaluate()
    schedule: Schedule = Schedule()
    services: Services = Services()
    quarantine: Quarantine = Quarantine()
    resources: Resources = Resources()

    @property
    def driving(self) -> str:
        """The name of the source whose rows are predicted."""
        return next(name for name, source in self.sources.items() if source.drives)


class UseCase(NamedTuple):
    """A use case's configuration and where its code is."""

    config: UseCaseConfig
    folder: Path
    package: str

    def load(self, reference: str) -> Any:
        """The object `module.name` of the use case's package.

        Raises:
            ConfigError: there is no such module or name.
        """
        module, _, name = reference.rpartition(".")
        try:
            return getattr(importlib.import_module(f"{self.package}.{module}"), name)
        except (ModuleNotFoundError, AttributeError) as error:
            raise ConfigError(
                f"pipeline.yaml names {reference!r}, which cannot be loaded",
                given=str(error),
                expected=f"a name in {self.folder.name}/{module or '…'}.py",
                do="correct the name, or install what the module imports",
            ) from error


def names() -> list[str]:
    """All use cases that can be found, sorted."""
    built_in = {folder.parent.name for folder in BUILT_IN.glob("*/pipeline.yaml")}
    return sorted(built_in | {entry.name for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)})


def find(name: str, overrides: Mapping[str, Any] | None = None) -> UseCase:
    """Read a use case by name, with dotted keys of its pipeline.yaml replaced.

    Raises:
        UsageError: no use case has this name.
        ConfigError: its pipeline.yaml is not as it must be.
    """
    package = _packages().get(name)
    if package is None:
        raise UsageError(
            f"there is no use case {name!r}",
            given=name,
            expected="one of " + ", ".join(names()),
            do=f"add the folder {name}/ with a pipeline.yaml, or install the package that brings it",
        )
    spec = importlib.util.find_spec(package)
    folder = Path(next(iter((spec and spec.submodule_search_locations) or [BUILT_IN / name])))
    text = (folder / "pipeline.yaml").read_text(encoding="utf-8")
    return UseCase(parse(text, name, overrides or {}), folder, package)


@cache
def _packages() -> dict[str, str]:
    built_in = {
        folder.parent.name: f"ml_pipeline.use_cases.{folder.parent.name}" for folder in BUILT_IN.glob("*/pipeline.yaml")
    }
    return {entry.name: entry.value for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)} | built_in


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
        duration(text)
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
