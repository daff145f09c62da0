"""Small named pure functions joined into one, checked before running, drawable from the objects that run.

Two chains are built from the same parts. A `Preparation` is a chain of functions and learns nothing. A `Chain` is a
chain of models (encoders, then an estimator) and learns link by link.

A function is a link as it stands: its parameters are named after the columns it reads, and what it returns is the
column named after the function, so the graph of a preparation is what its signatures say.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np

from ml_pipeline.columns import Category, Column, Columns, Floats, Kind, as_column, count, kind, take
from ml_pipeline.errors import FAULTS, ChainError
from ml_pipeline.templates import NO_PARAMETERS, BaseModel, Parameters, Statistics, require

F = TypeVar("F", bound=Callable[..., Any])
REJECTED = "rejected"
"""The reserved column in which a preparation says why a row must be set aside (missing: it is fine)."""


def writes(*columns: str) -> Callable[[F], F]:
    """Name what a function gives when it is more than the column of its own name; it returns a mapping or a tuple."""

    def mark(function: F) -> F:
        function.__dict__["writes"] = columns
        return function

    return mark


def check(reason: str) -> Callable[[F], F]:
    """Make a function of columns to a mask of good rows a check: the other rows are set aside with the reason."""

    def mark(function: F) -> F:
        function.__dict__["reason"] = reason
        return function

    return mark


def only(function: F) -> F:
    """Make a function of columns to a mask a choice: the other rows are not in question, and leave without a fault."""
    function.__dict__["only"] = True
    return function


def frame(reads: Sequence[str], writes: Sequence[str]) -> Callable[[F], F]:
    """Let a function work on a `pandas.DataFrame` of the columns `reads` and give one of the columns `writes`.

    The chain converts at its edge. Convenient where data is messy; costs milliseconds for a single record online.
    """

    def mark(function: F) -> F:
        function.__dict__.update(frame=tuple(reads), writes=tuple(writes))
        return function

    return mark


@dataclass(frozen=True)
class Link:
    """One function of a preparation: what it is called, what it reads and what it gives."""

    function: Callable[..., Any]
    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    optional: tuple[str, ...] = ()
    reason: str = ""
    frame: bool = False
    keeps: bool = False
    chooses: bool = False

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Link:
        """Read a link off a function's signature and its marks."""
        if isinstance(function, Link):
            return function
        if not inspect.isfunction(function) or not function.__name__.isidentifier():
            raise ChainError("a link has no name", given=repr(function), expected="a function defined with def")
        marks, name = function.__dict__, function.__name__
        if "frame" in marks:
            return cls(function, name, marks["frame"], marks["writes"], frame=True)
        given = inspect.signature(function).parameters.values()
        if unnamed := [str(p) for p in given if p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]:
            raise ChainError(
                f"link {name!r} has a parameter that names no column",
                given=", ".join(unnamed),
                expected="one parameter for each column it reads",
            )
        needed = tuple(p.name for p in given if p.default is p.empty)
        optional = tuple(p.name for p in given if p.default is not p.empty)
        gives = () if marks.keys() & {"reason", "only"} else marks.get("writes", (name,))
        return cls(function, name, needed, gives, optional, marks.get("reason", ""), chooses="only" in marks)

    def check(self, available: Mapping[str, Kind | None]) -> dict[str, Kind | None]:
        """The columns after this link; an error that names it where it lacks one."""
        missing = [column for column in self.reads if column not in available]
        if missing:
            raise ChainError(
                f"link {self.name!r} needs the column {missing[0]!r}, which nothing before it gives",
                given=", ".join(available) or "no columns",
                do=f"add a link that makes {missing[0]!r} before {self.name!r}, or correct the parameter's name",
            )
        return {**({} if self.keeps else available), **dict.fromkeys(self.writes)}

    def __call__(self, columns: Columns) -> dict[str, Column]:
        """A new batch with this link's columns; the given one stays as it was."""
        if self.keeps:
            return {name: columns[name] for name in (*self.writes, REJECTED) if name in columns}
        try:
            result = self._result(columns)
            if self.reason:
                return {**columns, REJECTED: _reject(columns, np.asarray(result, bool), self.reason)}
            if self.chooses:
                return take(columns, _chosen(columns, np.asarray(result, bool)))
            return {**columns, **self._named(result, count(columns))}
        except FAULTS as error:
            raise ChainError(
                f"link {self.name!r} failed: {type(error).__name__}: {error}",
                given=", ".join(f"{name} ({_describe(columns[name])})" for name in self.reads if name in columns),
                do=f"mend the function {self.name!r}",
            ) from error

    def _result(self, columns: Columns) -> Any:
        if self.frame:
            from ml_pipeline.data.frames import from_frame, to_frame

            return from_frame(self.function(to_frame({name: columns[name] for name in self.reads})))
        present = (*self.reads, *(name for name in self.optional if name in columns))
        return self.function(**{name: columns[name] for name in present})

    def _named(self, result: Any, rows: int) -> dict[str, Column]:
        if not isinstance(result, Mapping):
            several = result if len(self.writes) > 1 else (result,)
            if len(several) != len(self.writes):
                raise ValueError(f"{len(several)} results for the columns {', '.join(self.writes)}")
            result = dict(zip(self.writes, several, strict=True))
        made = {name: as_column(result[name]) for name in self.writes if name in result}
        for name in self.writes:
            if name not in made or len(made[name]) != rows:
                raise ChainError(
                    f"link {self.name!r} did not give the column {name!r} for every row",
                    given=f"{len(made[name])} rows" if name in made else ", ".join(result),
                    expected=f"{rows} rows",
                )
        return made


def keep(*columns: str) -> Link:
    """The last link of a preparation: the columns that leave it, all others end here."""
    return Link(keep, "keep", columns, columns, keeps=True)


Links: TypeAlias = tuple[Link, ...]


def chain(*functions: Callable[..., Any]) -> Links:
    """Join functions in order.

    >>> import numpy as np
    >>> def total(a, b): return a + b
    >>> def doubled(total): return 2 * total
    >>> links = chain(total, doubled, keep("doubled"))
    >>> run(links, {"a": np.array([1.0]), "b": np.array([2.0])})
    {'doubled': array([6.])}
    >>> check_links(links, ["a"])
    Traceback (most recent call last):
    ...
    ml_pipeline.errors.ChainError: link 'total' needs the column 'b', which nothing before it gives. Given: a. \
To do: add a link that makes 'b' before 'total', or correct the parameter's name
    """
    return tuple(Link.of(function) for function in functions)


def check_links(links: Links, available: Iterable[str]) -> tuple[str, ...]:
    """The columns that leave the chain, or a `ChainError` that names the link which lacks one."""
    columns: dict[str, Kind | None] = dict.fromkeys(available)
    if REJECTED in columns or any(REJECTED in link.writes for link in links):
        raise ChainError(f"the column {REJECTED!r} is reserved for the reasons of checks", do="give it another name")
    for link in links:
        columns = link.check(columns)
    return tuple(columns)


_check_once = lru_cache(256)(check_links)
"""The same links get the same columns in batch after batch."""


def run(links: Links, columns: Columns) -> dict[str, Column]:
    """Check, then send a batch through every link."""
    _check_once(links, tuple(columns))
    return flow(links, columns)


def flow(links: Links, columns: Columns) -> dict[str, Column]:
    """Send a batch through links that were checked."""
    batch = dict(columns)
    for link in links:
        batch = link(batch)
    return batch


def split_rejected(columns: Columns) -> tuple[dict[str, Column], Columns]:
    """The good rows without the reserved column, and the rows to set aside with it."""
    reasons = columns.get(REJECTED)
    good = {name: column for name, column in columns.items() if name != REJECTED}
    if not isinstance(reasons, Category) or (reasons.codes < 0).all():
        return good, {}
    return take(good, reasons.codes < 0), take(columns, reasons.codes >= 0)


class Preparation(BaseModel):
    """Cleans, formats and enriches the records of one source; a chain of functions that learns nothing."""

    steps: ClassVar[Links] = ()

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> dict[str, Column]:
        return run(cls.steps, x)


class Chain(BaseModel):
    """Encoders, then an estimator. Learns each as soon as what it reads has been learnt, so few passes suffice.

    Parameters: `features`, a list of `{model, **parameters of that encoder}`; `estimator`, those of the estimator.
    """

    learns = True
    features: ClassVar[Sequence[BaseModel]] = ()
    estimator: ClassVar[BaseModel]

    @classmethod
    def start(cls, *columns: str) -> Parameters:
        features = [dict(link.parameters) for link in cls.features]
        return {"features": features, "estimator": dict(cls.estimator.parameters)}

    @classmethod
    def links(cls) -> tuple[BaseModel, ...]:
        """Encoders and estimator in the order they run."""
        return (*cls.features, cls.estimator)

    @classmethod
    def inputs(cls) -> dict[str, Kind]:
        """Columns the chain reads, with the kind each must have: those its links name and none before them makes."""
        return dict(_inputs(cls.links()))

    @classmethod
    def training_inputs(cls) -> dict[str, Kind]:
        """Columns that training reads, the label aside: the inputs, and the weight of each row where there is one.

        Raises:
            ChainError: the weight is an input as well.
        """
        inputs, weight = cls.inputs(), cls.weight()
        check_weight(cls.__name__, weight, inputs)
        return {**inputs, weight: "number"} if weight else inputs

    @classmethod
    def weight(cls) -> str | None:
        """The column that says how often each row counts for the estimator, which no encoder sees."""
        return cls.estimator.parameters.get("weight")

    @classmethod
    def outputs(cls, parameters: Parameters, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
        """Walk the chain on kinds alone; the error names the guilty link."""
        for name, wanted in cls.inputs().items():
            require(cls.__name__, [name], kinds, wanted)
        flowing = {name: kinds[name] for name in cls.inputs()}
        for link in cls.links():
            flowing = link.outputs(link.parameters, flowing)
        return flowing

    @classmethod
    def fitted(cls, parameters: Parameters) -> bool:
        return all(link.fitted(own) for link, own in cls._paired(parameters))

    @classmethod
    def accumulate(cls, parameters: Parameters, x: Columns, y: Floats) -> Statistics:
        """Statistics of every link that is ready: none for those that are fitted or wait for one before them."""
        sums: list[Statistics] = []
        flowing: dict[str, Column] = {name: x[name] for name in cls.inputs()}
        unfinished: set[str] = set()
        for link, own in cls._paired(parameters):
            reads = set(own["columns"] or flowing)
            if unfinished & reads:
                sums.append(None)
            elif link.fitted(own):
                sums.append(None)
                flowing = link.transform(flowing, own)
                continue
            else:
                sums.append(link.accumulate(own, cls._weighed(flowing, x) if link is cls.estimator else flowing, y))
            unfinished |= reads
        return tuple(sums)

    @classmethod
    def ready(cls, parameters: Parameters) -> bool:
        """All encoders are fitted."""
        return all(link.fitted(own) for link, own in zip(cls.features, parameters["features"], strict=True))

    @classmethod
    def accumulate_encoded(cls, parameters: Parameters, x: Any, y: Floats) -> Statistics:
        """Statistics of the estimator."""
        return (*(None for _ in cls.features), cls.estimator.accumulate(parameters["estimator"], x, y))

    @classmethod
    def samples(cls, parameters: Parameters) -> bool:
        return cls.ready(parameters) and cls.estimator.samples(parameters["estimator"])

    @classmethod
    def extrapolate(cls, statistics: Statistics, share: float) -> Statistics:
        """Those of the estimator, for which samples are."""
        return (*statistics[:-1], cls.estimator.extrapolate(statistics[-1], share))

    @classmethod
    def repeats(cls, parameters: Parameters) -> bool:
        return cls.ready(parameters) and cls.estimator.repeats(parameters["estimator"])

    @classmethod
    def merge(cls, a: Statistics, b: Statistics) -> Statistics:
        """Each link merges its own."""
        return tuple(
            (own if other is None else other) if own is None or other is None else link.merge(own, other)
            for link, own, other in zip(cls.links(), a, b, strict=True)
        )

    @classmethod
    def update(cls, parameters: Parameters, statistics: Statistics) -> Parameters:
        """Update the links that have statistics."""
        learnt = [
            own if sums is None else link.update(own, sums)
            for (link, own), sums in zip(cls._paired(parameters), statistics, strict=True)
        ]
        return {**parameters, "features": learnt[:-1], "estimator": learnt[-1]}

    @classmethod
    def continued(cls, parameters: Parameters) -> Parameters:
        """Encoders stay as they are: what is learnt of other encoders' columns would mean something else."""
        return {**parameters, "estimator": cls.estimator.continued(parameters["estimator"])}

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> Any:
        """The estimator's prediction, shape (rows,), or (rows, classes) where it tells classes apart."""
        return cls.estimator.transform(cls.encode(x, parameters), parameters["estimator"])

    @classmethod
    def encode(cls, x: Columns, parameters: Parameters) -> dict[str, Column]:
        """What the estimator sees."""
        inputs = cls.inputs()
        if inputs.keys() - x.keys():
            require(cls.__name__, list(inputs), {name: kind(column) for name, column in x.items()})
        flowing: dict[str, Column] = {name: x[name] for name in inputs}
        for link, own in zip(cls.features, parameters["features"], strict=True):
            flowing = link.transform(flowing, own)
        return cls._weighed(flowing, x)

    @classmethod
    def _weighed(cls, encoded: dict[str, Column], x: Columns) -> dict[str, Column]:
        """With the weight of each row, where it is there: as a rule it is in training alone."""
        weight = cls.weight()
        return {**encoded, weight: x[weight]} if weight and weight in x else encoded

    @classmethod
    def loss(cls, y: Floats, prediction: Floats) -> Floats:
        return cls.estimator.loss(y, prediction)

    @classmethod
    def labels(cls, parameters: Parameters, column: Column) -> Floats:
        return cls.estimator.labels(parameters["estimator"], column)

    @classmethod
    def named(cls, parameters: Parameters, prediction: Floats) -> dict[str, Column]:
        return cls.estimator.named(parameters["estimator"], prediction)

    @classmethod
    def predicted(cls) -> tuple[str, ...]:
        """The columns that `named` gives."""
        start = cls.estimator.parameters
        classes = cls.estimator.classes(start)
        return tuple(cls.estimator.named(start, np.zeros((0, len(classes)) if classes else 0)))

    @classmethod
    def variants(cls, parameters: Parameters) -> Sequence[Parameters]:
        return cls.estimator.variants(parameters["estimator"])

    @classmethod
    def vary(cls, parameters: Parameters, variant: Parameters) -> Parameters:
        return {**parameters, "estimator": cls.estimator.vary(parameters["estimator"], variant)}

    @classmethod
    def _paired(cls, parameters: Parameters) -> list[tuple[BaseModel, Parameters]]:
        return list(zip(cls.links(), [*parameters["features"], parameters["estimator"]], strict=True))


@lru_cache(256)
def _inputs(links: tuple[BaseModel, ...]) -> dict[str, Kind]:
    needed: dict[str, Kind] = {}
    flowing: dict[str, Kind] = {}
    for link in links:
        new = {name: link.accepts[0] for name in link.parameters["columns"] if name not in flowing}
        needed |= new
        flowing = link.outputs(link.parameters, flowing | new)
    return needed


def check_weight(model: str, weight: str | None, read: Collection[str | None]) -> None:
    """Refuse a weight of rows that is also read as a feature: then no row could be scored without it."""
    if weight in read:
        raise ChainError(
            f"{model} cannot both weigh rows by {weight!r} and learn from it",
            given=f"weight={weight!r}, which is among the columns that it reads",
            expected="a weight that is no feature",
            do=f"copy {weight!r} under another name in the preparation, for one of the two",
        )


def _describe(column: Column) -> str:
    return "category" if isinstance(column, Category) else str(column.dtype)


def _chosen(columns: Columns, wanted: Any) -> Any:
    """The rows that are wanted, and those that were rejected before, which are still to be set aside."""
    _check_mask(columns, wanted)
    before = columns.get(REJECTED)
    return wanted | (before.codes >= 0) if isinstance(before, Category) else wanted


def _check_mask(columns: Columns, mask: Any) -> None:
    if mask.shape != (count(columns),):
        raise ValueError(f"a mask of shape {mask.shape} for {count(columns)} rows")


def _reject(columns: Columns, good: Any, reason: str) -> Category:
    """Add a reason for the rows that are not good and have none yet."""
    _check_mask(columns, good)
    before = columns.get(REJECTED)
    if not isinstance(before, Category):
        before = Category(np.full(count(columns), -1, np.int32), ())
    words = (*before.vocabulary, reason)
    return Category(np.where(good | (before.codes >= 0), before.codes, np.int32(len(words) - 1)), words)
