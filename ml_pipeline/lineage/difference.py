"""Two models side by side: what differs in how they were made, and what that does."""

from __future__ import annotations

import msgspec

from ml_pipeline.artifacts.registry import Model, Registry
from ml_pipeline.lineage.cause import Cause, causes
from ml_pipeline.lineage.effect import Measured, Moved, measured, moved
from ml_pipeline.lineage.snapshots import Snapshot, snapshots


class Side(msgspec.Struct, frozen=True):
    """One of the two."""

    version: str
    as_of: str
    rows: int
    synthetic: list[str]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Why `new` is another model than `old`, and what became of coefficients and metrics.

    `snapshots` places those that were added or removed, as far as they are still stored.
    """

    old: Side
    new: Side
    causes: list[Cause]
    snapshots: list[Snapshot]
    coefficients: list[Moved]
    metrics: list[Measured]
    same_test_rows: bool


def difference(registry: Registry, old: str, new: str) -> Difference:
    """What differs between two versions.

    Raises:
        IntegrityError: a description or the parameters of one of them are not what was written.
    """
    models = [registry.model(version) for version in (old, new)]
    found = causes(*models)
    side_by_side, same_test_rows = measured(registry, old, new)
    return Difference(
        old=_side(models[0]),
        new=_side(models[1]),
        causes=found,
        snapshots=snapshots(registry.store, models, [own.name for own in found if own.kind == "snapshot"]),
        coefficients=moved(registry.parameters(old), registry.parameters(new)),
        metrics=side_by_side,
        same_test_rows=same_test_rows,
    )


def _side(model: Model) -> Side:
    return Side(model.version, model.as_of, model.rows, model.synthetic)
