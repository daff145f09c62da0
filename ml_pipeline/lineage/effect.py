"""What a difference between two models does: to their coefficients, and to their metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.lineage.leaves import leaves
from ml_pipeline.templates import Parameters

Metric = dict[str, float]
MOST = 10
"""Coefficients that are told of."""


class Moved(msgspec.Struct, frozen=True):
    """A coefficient in both models; of one that has it not there is none, and it moved from or to 0.

    `move` is in units of `standard_error`, the larger one of the two, or plain where there is none.
    """

    name: str
    old: float | None
    new: float | None
    standard_error: float | None
    move: float


class Measured(msgspec.Struct, frozen=True):
    """A metric of both models, with its interval; none where a model was not evaluated."""

    name: str
    old: Metric | None
    new: Metric | None


def moved(old: Parameters, new: Parameters) -> list[Moved]:
    """The coefficients that moved most, the one that moved furthest first."""
    before, after = _coefficients(old), _coefficients(new)
    errors = [_coefficients(own, "standard_errors") for own in (old, new)]
    found = [_moved(name, before, after, errors) for name in sorted(before.keys() | after.keys())]
    changed = [own for own in found if own.old != own.new]
    return sorted(changed, key=lambda own: (own.standard_error is None, -abs(own.move)))[:MOST]


def measured(registry: Registry, old: str, new: str) -> tuple[list[Measured], bool]:
    """Metrics side by side, and whether the same test rows judged both."""
    before, after = registry.metrics(old), registry.metrics(new)
    values = [own.get("metrics", {}) for own in (before, after)]
    names = dict.fromkeys(name for own in values for name in own)
    same = bool(names) and before.get("test") == after.get("test")
    return [Measured(name, values[0].get(name), values[1].get(name)) for name in names], same


def _moved(name: str, old: Mapping[str, float], new: Mapping[str, float], errors: list[dict[str, float]]) -> Moved:
    known = [own[name] for own in errors if own.get(name)]
    error = max(known) if known else None
    return Moved(name, old.get(name), new.get(name), error, (new.get(name, 0.0) - old.get(name, 0.0)) / (error or 1.0))


def _coefficients(parameters: Parameters, within: str = "") -> dict[str, float]:
    """The estimator's bias and coefficients by name, or their standard errors."""
    estimator: Any = parameters.get("estimator", {})
    own = estimator.get(within, {}) if within else estimator
    return {**(dict(leaves(own["bias"], "bias")) if "bias" in own else {}), **dict(leaves(own.get("coefficients", {})))}
