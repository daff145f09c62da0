"""What the store knows of a model, each part read when it is asked for: one that cannot be read spoils no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.artifacts.registry import PROFILE
from ml_pipeline.drawing import services
from ml_pipeline.picture import svg
from ml_pipeline.report.facts import Facts
from ml_pipeline_airflow.models_page.place import Place

T = TypeVar("T")


class Known:
    """A model by its version, in the plain values that reports are made from."""

    def __init__(self, place: Place, version: str) -> None:
        self.place, self.version = place, version
        self._read: dict[str, Any] = {}

    @property
    def model(self) -> dict[str, Any]:
        """Its description."""
        return self._once("model", lambda: msgspec.to_builtins(self.place.registry.model(self.version)))

    @property
    def metrics(self) -> dict[str, Any]:
        """What evaluation found; empty before it."""
        return self._once("metrics", lambda: self.place.registry.metrics(self.version))

    @property
    def parameters(self) -> dict[str, Any]:
        """What it learnt."""
        return self._once("parameters", lambda: dict(self.place.registry.parameters(self.version)))

    @property
    def profile(self) -> Any:
        """What the rows looked like that it was trained on."""
        registry = self.place.registry
        return self._once("profile", lambda: plain_yaml.load(registry.store.get(registry.key(self.version, PROFILE))))

    @property
    def graph(self) -> str:
        """The services that make such models today."""
        return self._once("graph", lambda: svg(services(self.place.use_case().config)))

    def facts(self) -> Facts:
        """All of it."""
        config = self.place.use_case().config
        return Facts(self.model, self.metrics, self.parameters, self.profile, config, self.graph)

    def _once(self, name: str, read: Callable[[], T]) -> T:
        """A `cached_property` of Python 3.11 would let the threads of all pages wait for one another."""
        if name not in self._read:
            self._read[name] = read()
        return cast(T, self._read[name])
