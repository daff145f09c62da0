"""What the store knows of a model, each part read when it is asked for: one that cannot be read spoils no other."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.artifacts.registry import PROFILE
from ml_pipeline.drawing import services
from ml_pipeline.picture import svg
from ml_pipeline.report.facts import Facts
from ml_pipeline_airflow.models_page.place import Place


class Known:
    """A model by its version, in the plain values that reports are made from."""

    def __init__(self, place: Place, version: str) -> None:
        self.place, self.version = place, version

    @cached_property
    def model(self) -> dict[str, Any]:
        """Its description."""
        found: dict[str, Any] = msgspec.to_builtins(self.place.registry.model(self.version))
        return found

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What evaluation found; empty before it."""
        return self.place.registry.metrics(self.version)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What it learnt."""
        return dict(self.place.registry.parameters(self.version))

    @cached_property
    def profile(self) -> Any:
        """What the rows looked like that it was trained on."""
        return plain_yaml.load(self.place.registry.store.get(self.place.registry.key(self.version, PROFILE)))

    @cached_property
    def graph(self) -> str:
        """The services that make such models today."""
        return svg(services(self.place.use_case().config))

    def facts(self) -> Facts:
        """All of it."""
        config = self.place.use_case().config
        return Facts(self.model, self.metrics, self.parameters, self.profile, config, self.graph)
