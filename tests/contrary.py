"""A model that says the opposite of another one, for tests of what happens to it."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.artifacts.registry import Registry

BAD = "contrary"


def reign(registry: Registry) -> str:
    """Make the opposite of the champion champion, as the gate does; the version of the model that it replaced."""
    good = registry.champion()
    learnt = registry.parameters(good)
    turned = {name: _opposite(learnt["estimator"][name]) for name in ("bias", "coefficients")}
    estimator = {**learnt["estimator"], **turned}
    content = parameters_file.dump({**learnt, "estimator": estimator}, "Contrary")
    described = registry.model(good)
    digest = sha256(content).hexdigest()
    registry.add(msgspec.structs.replace(described, version=BAD, parameters_sha256=digest), content)
    entry = registry.promotions()[-1]
    registry.promote(msgspec.structs.replace(entry, number=entry.number + 1, to=BAD, previous=good))
    return good


def _opposite(coefficients: Any) -> Any:
    """Of a number, or of all in a list or by word."""
    if isinstance(coefficients, dict):
        return {word: _opposite(own) for word, own in coefficients.items()}
    if isinstance(coefficients, list):
        return [_opposite(own) for own in coefficients]
    return -coefficients
