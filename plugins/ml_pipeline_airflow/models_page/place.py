"""A use case and its part of the store, as far as there are."""

from __future__ import annotations

from typing import NamedTuple

from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.discovery import UseCase, find, names
from ml_pipeline.errors import NotFoundError
from ml_pipeline.lineage.names import CHAMPION, resolve
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

    def version(self, called: str) -> str:
        """The version that a name means; who is champion is known without a list of the whole promotion log.

        Raises:
            NotFoundError: there is no such model.
            UsageError: it may mean several, or nobody has the role.
        """
        newest = self.registry.log.newest(1) if called == CHAMPION else []
        return newest[0].to if newest else resolve(self.registry, called)

    def use_case(self) -> UseCase:
        """Its configuration and code.

        Raises:
            ConfigError: its pipeline.yaml is not as it must be.
        """
        return find(self.name)
