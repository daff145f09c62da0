"""The two templates everything is made of: a Model computes, a Handler moves data.

A model is stateless: its methods are class methods, and all it has learnt is in the `parameters` it is given.
An *instance* of a model is no more than a place in a chain: the class together with the parameters to start from,
so `Spline("hour", knots=8)` holds the plain mapping `{"columns": ["hour"], "knots": 8, …}` and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from ml_pipeline.columns import Column, Columns, Floats, Kind, kind
from ml_pipeline.errors import ChainError, FitError

if TYPE_CHECKING:
    from ml_pipeline.handlers.stage_run import StageRun

Parameters: TypeAlias = Mapping[str, Any]
"""What a model starts from and learns: plain values and arrays that go to the YAML and back unchanged."""
Predicts: TypeAlias = Literal["probability", "number", "count", "class"]
"""What an estimator predicts: the probability of label 1, an amount, an expected count, or the probability of each of
several classes. It decides how predictions are judged."""
NO_PARAMETERS: Parameters = MappingProxyType({})
"""What a model that learns nothing is served with."""
Statistics: TypeAlias = Any
"""A sum over rows: numbers, arrays, and mappings or tuples of them."""
Total: TypeAlias = Callable[[type["BaseModel"], Parameters, Any, Any], Statistics]
"""Sums `model.accumulate` over all data; an engine gives one that walks batches on many cores."""


def at_once(model: type[BaseModel], parameters: Parameters, x: Columns, y: Floats) -> Statistics:
    """The `Total` for data that is one batch in memory."""
    return model.accumulate(parameters, x, y)


class BaseModel:
    """Stateless arithmetic: `fit(parameters, x, y) -> parameters` and `transform(x, parameters) -> y`.

    A model that learns nothing overrides `transform` alone and is served without parameters. A model that learns
    gives `accumulate` (a sum over rows), `update` (what follows from the sum) and `fitted`; `fit` is built on them
    here, once, so whatever can be summed in parts can be trained in batches, on many cores or machines.
    """

    learns: ClassVar[bool] = False
    accepts: ClassVar[tuple[Kind, ...]] = ("number",)
    """Kinds of column it works on, the usual one first."""
    predicts: ClassVar[Predicts] = "probability"
    """What an estimator's `transform` gives."""

    def __init__(self, *columns: str, **options: Any) -> None:
        self.parameters: Parameters = self.start(*columns, **options)

    @classmethod
    def start(cls, *columns: str) -> Parameters:
        """The parameters before any fitting; `columns` are the names it works on, none for all it is given."""
        return {"columns": list(columns)}

    @classmethod
    def outputs(cls, parameters: Parameters, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
        """What the columns are after `transform`, given what they are before.

        Raises:
            ChainError: a column is missing or of a kind this model cannot work on.
        """
        require(cls.__name__, parameters.get("columns", ()), kinds, *cls.accepts)
        return dict(kinds)

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> Any:
        """Columns in, columns (or predictions, one per row) out. Row i of the answer depends on row i alone."""
        raise NotImplementedError

    @classmethod
    def fitted(cls, parameters: Parameters) -> bool:
        """Whether nothing is left to learn."""
        return not cls.learns

    @classmethod
    def accumulate(cls, parameters: Parameters, x: Columns, y: Floats) -> Statistics:
        """The sums over these rows that `update` needs."""
        raise NotImplementedError

    @classmethod
    def merge(cls, a: Statistics, b: Statistics) -> Statistics:
        """The statistics of two sets of rows together: entry by entry, a sum."""
        if a is None or b is None:
            return b if a is None else a
        if isinstance(a, Mapping):
            return {key: cls.merge(a.get(key), b.get(key)) for key in {**a, **b}}
        if isinstance(a, tuple):
            return tuple(map(cls.merge, a, b))
        return a + b

    @classmethod
    def update(cls, parameters: Parameters, statistics: Statistics) -> Parameters:
        """New parameters from the statistics of all rows."""
        raise NotImplementedError

    @classmethod
    def loss(cls, y: Floats, prediction: Floats) -> Floats:
        """Loss of each row, shape (rows,); what `fit` makes small in the mean."""
        raise NotImplementedError

    @classmethod
    def classes(cls, parameters: Parameters) -> tuple[str, ...]:
        """The names of the classes it tells apart, where it predicts one of several."""
        return ()

    @classmethod
    def labels(cls, parameters: Parameters, column: Column) -> Floats:
        """The labels y that a column holds, shape (rows,), NaN where one is missing.

        Raises:
            FitError: they are of a kind that this estimator cannot learn from.
        """
        if kind(column) != "number":
            raise FitError(
                f"{cls.__name__} learns from numbers only",
                given=f"a label that is a {kind(column)} column",
                expected="a number in every row",
                do="make the label a number in the preparation, or use SoftmaxRegression for several classes",
            )
        return np.asarray(column, np.float64)

    @classmethod
    def named(cls, parameters: Parameters, prediction: Floats) -> dict[str, Column]:
        """What `transform` gave, as the columns that are stored and postprocessed."""
        return {"prediction": prediction}

    @classmethod
    def fit(cls, parameters: Parameters, x: Any, y: Any, total: Total = at_once) -> Parameters:
        """Accumulate over all data and update, until nothing is left to learn.

        Args:
            parameters: Where to start: `cls(...).parameters`, or parameters fitted before.
            x: Columns of one batch, or whatever `total` knows how to walk.
            y: Labels, shape (rows,), float64.
            total: Sums `accumulate` over `x` and `y`.
        """
        return deque(chain([parameters], cls.passes(parameters, x, y, total)), maxlen=1).pop()

    @classmethod
    def continued(cls, parameters: Parameters) -> Parameters:
        """What to start from to learn further rows, so that those which `parameters` were fitted on count as before.

        Raises:
            FitError: what is known does not say so.
        """
        raise FitError(
            f"{cls.__name__} does not say how to go on learning",
            given="parameters that are fitted",
            expected="a class method `continued`",
            do="write it, or train on all rows again",
        )

    @classmethod
    def passes(cls, parameters: Parameters, x: Any, y: Any, total: Total = at_once) -> Iterator[Parameters]:
        """`fit`, one pass over the data at a time: the parameters after each."""
        while not cls.fitted(parameters):
            parameters = cls.update(parameters, total(cls, parameters, x, y))
            yield parameters

    @classmethod
    def samples(cls, parameters: Parameters) -> bool:
        """Whether some of the rows, spread evenly, will do for the next pass."""
        return False

    @classmethod
    def extrapolate(cls, statistics: Statistics, share: float) -> Statistics:
        """What the statistics of all rows are about, given those of a share of them; marked as such for `update`."""
        return statistics

    @classmethod
    def repeats(cls, parameters: Parameters) -> bool:
        """Whether so many passes are to come that the encoded rows are worth keeping."""
        return False

    @classmethod
    def ready(cls, parameters: Parameters) -> bool:
        """Whether every pass from now on works on the same rows, those that `encode` gives."""
        return True

    @classmethod
    def encode(cls, x: Columns, parameters: Parameters) -> Any:
        """What is left to do before `accumulate_encoded`: nothing, but in a chain."""
        return x

    @classmethod
    def accumulate_encoded(cls, parameters: Parameters, x: Any, y: Floats) -> Statistics:
        """`accumulate`, of rows that are encoded already."""
        return cls.accumulate(parameters, x, y)

    @classmethod
    def variants(cls, parameters: Parameters) -> Sequence[Parameters]:
        """Settings among which validation data chooses, as partial parameters; none when there is no choice."""
        return ()

    @classmethod
    def vary(cls, parameters: Parameters, variant: Parameters) -> Parameters:
        """`parameters` with one of its `variants` set, to be fitted (again), warm where they were fitted before."""
        return {**parameters, **variant}


def require(link: str, columns: Sequence[str], kinds: Mapping[str, Kind], *allowed: Kind) -> None:
    """Check that a link of a chain finds its columns, each of an allowed kind (any, if none is named)."""
    for column in columns:
        if column not in kinds:
            raise ChainError(
                f"{link} needs the column {column!r}, which nothing before it gives",
                given=", ".join(kinds) or "no columns",
                do=f"add a link that makes {column!r} before it, or correct the name",
            )
        if allowed and kinds[column] not in allowed:
            raise ChainError(
                f"{link} cannot work on the column {column!r}",
                given=f"a {kinds[column]} column",
                expected=" or ".join(allowed),
                do="convert the column in the preparation, or name another one",
            )


SERVE = ("load_data", "load_params", "apply", "store_output")
TRAIN = ("load_data", "load_params", "fit", "store_output")
"""The steps of a handler in the order they run; the graph is drawn from them."""


class BaseHandler:
    """Moves data around one model: load, compute, store. Never computes itself.

    `serve` transforms with parameters that are stored (or none), `train` learns them. Both are the fixed sequence
    below; a component overrides steps, not the sequence. What is stored already is not made again.
    """

    @classmethod
    def train(cls, model: Any, run: StageRun) -> None:
        """Fit `model` on what `load_data` gives, starting from `load_params`, and store the parameters."""
        cls._run(TRAIN, model, run)

    @classmethod
    def serve(cls, model: Any, run: StageRun) -> None:
        """Transform what `load_data` gives with the parameters from `load_params` and store the outcome."""
        cls._run(SERVE, model, run)

    @classmethod
    def _run(cls, steps: tuple[str, ...], model: Any, run: StageRun) -> None:
        load_data, load_params, compute, store_output = (getattr(cls, step) for step in steps)
        data = load_data(run)
        if cls.is_stored(run, data):
            run.reused = True
            return
        parameters = load_params(model, run)
        store_output(run, data, compute(model, parameters, data, run))

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """What computes in this stage."""
        raise NotImplementedError

    @classmethod
    def load_data(cls, run: StageRun) -> Any:
        """The stage's input, from the artifact room."""
        raise NotImplementedError

    @classmethod
    def is_stored(cls, run: StageRun, data: Any) -> bool:
        """Whether the output was made before from the same input; if so, it is recorded as this run's."""
        raise NotImplementedError

    @classmethod
    def load_params(cls, model: Any, run: StageRun) -> Any:
        """The model's parameters; none for a model that learns nothing."""
        return NO_PARAMETERS

    @classmethod
    def fit(cls, model: Any, start: Any, data: Any, run: StageRun) -> Any:
        """Ask the engine to fit the model over the data."""
        raise NotImplementedError

    @classmethod
    def apply(cls, model: Any, parameters: Any, data: Any, run: StageRun) -> Any:
        """Ask the engine to transform every batch; an iterator, so nothing is held that need not be."""
        raise NotImplementedError

    @classmethod
    def store_output(cls, run: StageRun, data: Any, output: Any) -> None:
        """Hand the outcome to the artifact room, and record it as this run's."""
        raise NotImplementedError
