"""A use case and its part of the store, as far as there are."""

from __future__ import annotations

from typing import NamedTuple

from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.discovery import UseCase, find, names
from ml_pipeline.errors import NotFoundError
from ml_pipeline_airflow.request import store_uri


class Place(NamedTuple):
    """What a page is about."""

    name: str
    registry: Registry

    @classmethod
    def of(cls, name: str) -> Place:
        """A use case by name, whether or not its code is sound.

        Raises:
            NotFoundError: there is no such use case.
            UsageError: this Airflow has no store.
        """
        if name not in names():
            raise NotFoundError("there is no such use case", given=name, expected="one of " + ", ".join(names()))
        return cls(name, Registry(Store(store_uri()).within(name)))

    def use_case(self) -> UseCase:
        """Its configuration and code.

        Raises:
            ConfigError: its pipeline.yaml is not as it must be.
        """
        return find(self.name)
