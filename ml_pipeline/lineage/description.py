"""One model, told so that a person understands it in a minute."""

from __future__ import annotations

from typing import Any

import msgspec

from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.artifacts.registry import METRICS, MODEL, PARAMETERS, Registry
from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import NotFoundError
from ml_pipeline.lineage.snapshots import Snapshot, snapshots

NOT_EVALUATED: dict[str, Any] = {"passed": None, "reasons": []}


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is, what it was trained on, how good it is, and what became of it.

    `start` is the version that it went on from with `rows` of its own, empty for one that was trained from nothing.
    `champion_since` is empty for one that is not champion. `snapshots` are those that are still stored, of the
    `snapshot_count` it was trained on. `files` are addresses by name.
    """

    version: str
    question: str
    model: str
    as_of: str
    seed: int
    system_version: str
    start: str
    rows: int
    synthetic: list[str]
    snapshot_count: int
    snapshots: list[Snapshot]
    test_rows: int
    metrics: dict[str, Any]
    verdict: dict[str, Any]
    champion: bool
    champion_since: str
    promotions: list[Promotion]
    files: dict[str, str]


def describe(use_case: UseCase, registry: Registry, version: str) -> Description:
    """All that is known of a version."""
    model, found, log = registry.model(version), registry.metrics(version), registry.promotions()
    champion = bool(log) and log[-1].to == version
    return Description(
        version=version,
        question=use_case.config.question,
        model=model.model,
        as_of=model.as_of,
        seed=model.seed,
        system_version=model.system_version,
        start=model.start,
        rows=model.rows,
        synthetic=model.synthetic,
        snapshot_count=len(model.snapshots),
        snapshots=snapshots(registry.store, [model], model.snapshots),
        test_rows=found.get("rows", 0),
        metrics=found.get("metrics", {}),
        verdict=found.get("verdict", NOT_EVALUATED),
        champion=champion,
        champion_since=log[-1].at if champion else "",
        promotions=[entry for entry in log if entry.to == version],
        files=_files(registry, version),
    )


def _files(registry: Registry, version: str) -> dict[str, str]:
    """Those that are there: not every model was evaluated."""
    folder = registry.key(version, "")
    names = [key.removeprefix(folder) for key in registry.store.keys(folder)]
    if missing := {MODEL, PARAMETERS} - set(names):
        raise NotFoundError(
            "a file of the model is not there", given=registry.store.address(folder + min(missing)), do="restore it"
        )
    first = [name for name in (PARAMETERS, MODEL, METRICS) if name in names]
    return {name: registry.store.address(folder + name) for name in dict.fromkeys([*first, *names])}
