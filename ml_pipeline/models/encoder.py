"""What all encoders share: they turn columns into columns, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ml_pipeline.columns import Column, Columns, Kind, kind
from ml_pipeline.templates import BaseModel, Parameters, require


class Encoder(BaseModel):
    """A model whose `transform` gives the columns it got, some of them anew, for the next link of a chain."""

    gives: ClassVar[Kind | None] = None
    """What each of its columns becomes, where that is of another kind."""

    @classmethod
    def outputs(cls, parameters: Parameters, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
        names = cls.names(parameters, kinds)
        return {**kinds, **dict.fromkeys(names, cls.gives)} if cls.gives else dict(kinds)

    @classmethod
    def names(cls, parameters: Parameters, kinds: Mapping[str, Kind]) -> list[str]:
        """Columns to work on: those that `parameters` names, else all of a kind that it accepts.

        Raises:
            ChainError: a named column is missing or of another kind.
        """
        require(cls.__name__, parameters["columns"], kinds, *cls.accepts)
        return list(parameters["columns"]) or [name for name, given in kinds.items() if given in cls.accepts]

    @classmethod
    def chosen(cls, parameters: Parameters, x: Columns) -> dict[str, Column]:
        """The columns of a batch to work on."""
        return {name: x[name] for name in cls.names(parameters, {name: kind(column) for name, column in x.items()})}

    @classmethod
    def read(cls, x: Columns, name: str) -> Column:
        """A column of the batch, or a `ChainError` that says which is missing."""
        if name not in x:
            require(cls.__name__, [name], {given: kind(column) for given, column in x.items()})
        return x[name]
