"""Every model there is, with something to try it on: a newcomer's is found by existing.

Classes are found by walking the package, and what a use case holds by what its pipeline.yaml names. A class is abstract
if it lacks something that it needs to compute.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np

import ml_pipeline
from ml_pipeline import use_cases
from ml_pipeline.chain import Chain
from ml_pipeline.columns import MISSING, Bag, Category, Column, Columns, Floats, kind, take
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.data.joins import MOMENT, Join, Reference
from ml_pipeline.discovery import UseCase, find
from ml_pipeline.handlers.split import Parting
from ml_pipeline.models import RecentRate
from ml_pipeline.templates import BaseHandler, BaseModel, Parameters

ROWS = 1500
OPTIONAL = {
    BaseModel: {"loss", "accumulate", "update"},
    BaseHandler: {"fit", "apply"},
}
"""What the templates leave out and a model or handler may do without; `needed` says when it may not."""
Samples: TypeAlias = Callable[[str], Mapping[str, "Subject"]]
"""The subjects of a use case, on its own records."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A model, the parameters it starts from, and rows to try it on.

    `stored`: its parameters come from `start` and go to the YAML, which those of a handler's own model do not.
    `by_row`: row i of its answer depends on row i alone; only a table derived from all of history does not.
    """

    model: type[BaseModel]
    start: Parameters
    x: Columns
    y: Floats
    stored: bool = True
    by_row: bool = True

    @cached_property
    def parameters(self) -> Parameters:
        """What it learns from the rows."""
        return self.model.fit(self.start, self.x, self.y)

    def transform(self, x: Columns) -> Any:
        """Its answer, once it has learnt."""
        return self.model.transform(x, self.parameters)


class Recipe(NamedTuple):
    """A subject before it is made, which may take seconds."""

    name: str
    model: type[BaseModel]
    make: Callable[[Samples], Subject]
    stored: bool = True
    by_row: bool = True


class Example(NamedTuple):
    """What a model that cannot do without options is tried with: parameters, and columns beside those of `table`."""

    start: Parameters
    more: Columns = MappingProxyType({})
    stored: bool = True
    by_row: bool = True


# ---- which classes there are


def modules(package: Any) -> Iterator[Any]:
    """A package and all that lies in it, imported; use cases are found by their names instead."""
    yield package
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if found.name.rpartition(".")[2] in ("__main__", "use_cases"):
            continue
        module = importlib.import_module(found.name)
        yield from modules(module) if found.ispkg else [module]


def classes(package: Any, base: type) -> list[type[Any]]:
    """All that extend `base` and are defined in a package, abstract ones too."""
    return [
        own
        for module in modules(package)
        for own in vars(module).values()
        if isinstance(own, type) and issubclass(own, base) and own.__module__ == module.__name__
    ]


def concrete(package: Any, base: type) -> list[type[Any]]:
    """Those that lack nothing, by name."""
    return sorted((own for own in classes(package, base) if not gaps(own)), key=lambda own: own.__name__)


def gaps(cls: type[Any]) -> set[str]:
    """What a class lacks before it can compute: methods that only say so, and attributes without a value."""
    declared = {name for base in cls.__mro__ for name in inspect.get_annotations(base)}
    spared = set.union(*(names for base, names in OPTIONAL.items() if issubclass(cls, base))) - needed(cls)
    return (unwritten(cls) - spared) | {name for name in declared if not hasattr(cls, name)} - {"parameters"}


def unwritten(cls: type[Any]) -> set[str]:
    """Methods that do nothing but say so."""
    return {name for name in dir(cls) if _only_raises(inspect.getattr_static(cls, name))}


def needed(cls: type[Any]) -> set[str]:
    """What a model needs in order to learn."""
    return {"accumulate", "update"} if getattr(cls, "learns", False) else set()


def _only_raises(member: Any) -> bool:
    code = getattr(getattr(member, "__func__", None), "__code__", None)
    return code is not None and code.co_names == ("NotImplementedError",)


def escaped(base: type, packages: set[str], tried: set[type[Any]]) -> list[str]:
    """Classes of some packages that nobody tries, neither themselves nor by a class that extends them."""
    return [
        f"{own.__module__}.{own.__name__}"
        for own in _extending(base)
        if _is_there(own.__module__, packages) and not any(issubclass(other, own) for other in tried)
    ]


def _is_there(module: str, packages: set[str]) -> bool:
    """Whether a module lies in one of the packages; one of a use case, in that of the use case itself."""
    around = {package for package in packages if f"{module}.".startswith(f"{package}.")}
    own = around - {ml_pipeline.__name__} if module.startswith(f"{use_cases.__name__}.") else around
    return bool(own) and module in sys.modules


def _extending(base: type) -> Iterator[type[Any]]:
    for own in base.__subclasses__():
        yield own
        yield from _extending(own)


# ---- the package's own models, on rows of every kind


def of_package() -> list[Recipe]:
    """A recipe for each model of the package, and for each that goes on learning another where it does."""
    models = concrete(ml_pipeline, BaseModel)
    return [*map(recipe, models), *(going_on(own) for own in models if _goes_on(own))]


def going_on(model: type[BaseModel]) -> Recipe:
    """How a model is tried that has learnt half of the rows before."""

    def make(samples: Samples) -> Subject:
        own = recipe(model).make(samples)
        known = model.fit(own.start, first(own.x, ROWS // 2), own.y[: ROWS // 2])
        return Subject(model, model.continued(known), own.x, own.y)

    return Recipe(f"{model.__name__}/going_on", model, make)


def _goes_on(model: type[BaseModel]) -> bool:
    return inspect.getattr_static(model, "continued") is not inspect.getattr_static(BaseModel, "continued")


def recipe(model: type[BaseModel]) -> Recipe:
    """How a model is tried: with its defaults, unless there is an example."""
    example = EXAMPLES[model]() if model in EXAMPLES else None
    flags = (example.stored, example.by_row) if example else (True, True)
    return Recipe(model.__name__, model, lambda _: _subject(model, example), *flags)


def _subject(model: type[BaseModel], example: Example | None) -> Subject:
    x, y = table()
    if example:
        return Subject(model, example.start, {**x, **example.more}, y, example.stored, example.by_row)
    try:
        start, x = _by_default(model, x)
        subject = Subject(model, start, x, y)
        subject.transform(x)
    except Exception as error:
        raise AssertionError(
            f"{model.__name__}(*columns) cannot be tried with its defaults: {type(error).__name__}: {error}. "
            f"Give each option a default that works, or add {model.__name__} to EXAMPLES in tests/contract/subjects.py"
        ) from error
    return subject


def _by_default(model: type[BaseModel], x: Columns) -> tuple[Parameters, Columns]:
    """On all columns that it accepts; an estimator is given neither missing numbers nor columns it does not accept."""
    names = [name for name, column in x.items() if kind(column) in model.accepts]
    start = model(*names).parameters
    if model.outputs(start, {name: kind(column) for name, column in x.items()}).keys() != {"prediction"}:
        return start, x
    finite = {name: x[name] for name in names if not _lacks_numbers(x[name])}
    return model(*finite).parameters, finite


def _lacks_numbers(column: Any) -> bool:
    return kind(column) in ("number", "block") and bool(np.isnan(column).any())


def table(count: int = ROWS, seed: int = 5) -> tuple[dict[str, Any], Floats]:
    """Seeded rows with gaps, ties, skew and columns of every kind, and a label of 0 or 1 that depends on them."""
    chance = np.random.default_rng(seed)
    distance, minutes = np.exp(chance.normal(6.0, 1.0, count)), chance.integers(0, 288, count) * 5.0
    wind = np.where(chance.random(count) < 0.1, np.nan, chance.gamma(2.0, 5.0, count))
    seen = np.datetime64("2024-01-01", "us") + chance.integers(0, 30 * 1440, count) * np.timedelta64(1, "m")
    seen[chance.random(count) < 0.05] = np.datetime64("NaT")
    words = {name: _category(chance, count, vocabulary) for name, vocabulary in VOCABULARIES.items()}
    place = Bag.of(*_places(chance, count), 6, ("a", "b", "c", "d", "e", "f"))
    z = np.sin(minutes / 230) + 0.3 * (np.log(distance) - 6) + 0.4 * words["carrier"].codes - 1.0
    label = (chance.random(count) < 1 / (1 + np.exp(-z))).astype(np.float64)
    numbers = {"distance": distance, "minutes": minutes, "wind": wind, "block": chance.normal(2.0, 3.0, (count, 3))}
    return {**numbers, "seen": seen, "label": label, "bag": place, **words}, label


VOCABULARIES = {
    "carrier": ("UA", "AA", "DL", "B6", "WN"),
    "lists": ("snow", "fog\nsnow", " wind \nfog", "", "rare\nhail\nwind", "hail"),
    "texts": ("Late crew, late aircraft.", "no crew; snow & ice", "…", "ICE on wings — snow", "aircraft late"),
}


def _category(chance: np.random.Generator, count: int, vocabulary: tuple[str, ...]) -> Category:
    return Category(chance.integers(MISSING, len(vocabulary), count).astype(np.int32), vocabulary)


def _places(chance: np.random.Generator, count: int) -> tuple[list[int], list[int]]:
    held = [np.flatnonzero(row).tolist() for row in chance.random((count, 6)) < 0.3]
    return [len(own) for own in held], [place for own in held for place in own]


# ---- models that cannot do without options


def _recent_rate() -> Example:
    return Example(RecentRate("carrier", label="label", known="seen", every="6h").parameters, by_row=False)


def _join() -> Example:
    other, _ = table(400, seed=6)
    exact = {"carrier": Category.of(["AA", "DL", "B6"]), "fleet": np.array([3.0, np.nan, 7.0])}
    as_of = {"carrier": other["carrier"], "at": other["seen"], "gust": other["wind"], "said": other["texts"]}
    references = [
        Reference.index("fleets", exact, {"carrier": "carrier"}, None, None),
        Reference.index("gusts", as_of, {"carrier": "carrier"}, "at", np.timedelta64(2, "D")),
    ]
    return Example({"references": references}, {MOMENT: table()[0]["seen"]}, stored=False)


def _parting() -> Example:
    described = {
        "name": "example", "question": "?", "key": "carrier", "time": "seen", "label": "label", "model": "models.M",
        "postprocess": "models.P", "split": {"by": "time", "validation": "5d", "test": "8d"},
        "sources": {"flights": {"reader": "sources.flights", "prepare": "models.F", "known": "seen", "drives": True}},
    }  # fmt: skip
    config = msgspec.convert(described, UseCaseConfig)
    last = np.datetime64("2024-01-31", "us")
    return Example({"config": config, "split": config.split, "last": last}, stored=False)


EXAMPLES: dict[type[BaseModel], Callable[[], Example]] = {RecentRate: _recent_rate, Join: _join, Parting: _parting}


# ---- what use cases hold


def of_use_case(name: str) -> list[Recipe]:
    """A recipe for each preparation, derived source, model, link of its chain, and for the postprocessing."""
    use_case = find(name)
    return [
        Recipe(subject, model, lambda samples, key=subject: samples(name)[key], by_row=by_row)  # type: ignore[misc]
        for subject, model, by_row in _roles(use_case)
    ]


def _roles(use_case: UseCase) -> Iterator[tuple[str, type[BaseModel], bool]]:
    config = use_case.config
    for source, own in config.sources.items():
        yield f"{config.name}/{source}", started(use_case.load(own.prepare))[0], not own.derived
    model: type[Chain] = use_case.load(config.model)
    yield f"{config.name}/{model.__name__}", model, True
    for place, link in enumerate(model.links()):
        yield link_name(config.name, model, place, link), type(link), True
    yield f"{config.name}/postprocess", use_case.load(config.postprocess), True


def link_name(use_case: str, model: type[Chain], place: int, link: BaseModel) -> str:
    """The name of a link's subject."""
    return f"{use_case}/{model.__name__}/{place}.{type(link).__name__}"


def started(prepare: Any) -> tuple[type[BaseModel], Parameters]:
    """A preparation's class, and what it starts from."""
    return (type(prepare), prepare.parameters) if isinstance(prepare, BaseModel) else (prepare, prepare().parameters)


def with_gaps(columns: Columns, every: int = 50) -> dict[str, Column]:
    """The same rows, of which some have nothing in any column."""
    return {name: _emptied(column, every) for name, column in columns.items()}


def _emptied(column: Any, every: int) -> Any:
    if isinstance(column, Category):
        return Category(_emptied(column.codes, every), column.vocabulary)
    nothing = {"M": np.datetime64("NaT"), "i": MISSING}.get(column.dtype.kind, np.nan)
    emptied = column.copy()
    emptied[::every] = nothing
    return emptied


def first(columns: Columns, count: int) -> dict[str, Column]:
    """The first rows."""
    return take(columns, slice(0, count))
