"""Which snapshots a digest in a model's description means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.registry import Model
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import IntegrityError, NotFoundError


class Snapshot(msgspec.Struct, frozen=True, order=True):
    """An immutable raw dump: its source, the moment it is named by, its rows and the digest of its content."""

    source: str
    as_of: str
    rows: int
    digest: str
    key: str


def snapshots(room: Store, models: Iterable[Model], digests: Iterable[str]) -> list[Snapshot]:
    """The stored snapshots with these digests, by source, oldest first.

    The newest are looked at first, and no more of them than it takes: what differs between two models are the last
    nights, as a rule.
    """
    wanted, found = set(digests), list[Snapshot]()
    for snapshot in _newest_first(room, models):
        if not wanted - {own.digest for own in found}:
            break
        found += [snapshot] if snapshot.digest in wanted else []
    return sorted(found)


def _newest_first(room: Store, models: Iterable[Model]) -> Iterator[Snapshot]:
    sources = sorted({source for model in models for source in model.system["configuration"]["sources"]})
    folders = [(folder, source) for source in sources for folder in room.folders(f"raw/{source}/")]
    for folder, source in sorted(folders, reverse=True):
        try:
            found = open_dataset(room, f"raw/{source}/{folder}")
        except (NotFoundError, IntegrityError):  # without a manifest, or with a damaged one, it does not count
            continue
        own = found.manifest
        yield Snapshot(source, own.made_from["as_of"], own.rows, own.digest, found.key)
