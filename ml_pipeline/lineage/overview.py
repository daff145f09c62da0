"""All models at a glance."""

from __future__ import annotations

from itertools import islice
from typing import Any

from ml_pipeline.artifacts.registry import Registry


def overview(registry: Registry, most: int) -> list[dict[str, Any]]:
    """The models with the newest as-of, and their metrics."""
    champion = registry.champion()
    whole = (version for _, version in registry.by_as_of() if registry.has(version))
    return [row(registry, version, version == champion) for version in islice(whole, most)]


def row(registry: Registry, version: str, champion: bool) -> dict[str, Any]:
    """One model at a glance."""
    model, found = registry.at_a_glance(version), registry.metrics(version, only=("metrics", "verdict"))
    return {
        "version": version,
        "champion": champion,
        "as_of": model.as_of,
        "start": model.start,
        "rows": model.rows,
        "synthetic": model.synthetic,
        "metrics": found.get("metrics", {}),
        "passed": found.get("verdict", {}).get("passed"),
    }
