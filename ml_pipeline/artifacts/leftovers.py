"""What writers that were killed have left: parts of datasets that never got their manifest, and never will."""

from __future__ import annotations

import datetime as dt
from itertools import groupby

from ml_pipeline.artifacts.datasets import MANIFEST
from ml_pipeline.artifacts.store import Store

FOLDER = "data/"
OLD = dt.timedelta(days=1)
"""Far longer than any writer takes from one part of a dataset to the next, or to the manifest."""


def sweep(store: Store, now: dt.datetime) -> list[str]:
    """Remove them, for all use cases of a store, and return where they lay.

    Of a dataset without a manifest they go once the youngest is a day old. Raw snapshots are left alone: they may be
    all there is of a past, and parts of one that was forgotten may be shared by others.
    """
    rooms = [store.within(use_case) for use_case in store.folders("")]
    return [room.address(folder) for room in rooms for folder in _abandoned(room, now) if _remove(room, folder, now)]


def _abandoned(room: Store, now: dt.datetime) -> list[str]:
    found = sorted(room.written(FOLDER).items())
    folders = groupby(found, lambda item: item[0].rpartition("/")[0])
    return [folder for folder, objects in folders if _is_abandoned(dict(objects), now)]


def _is_abandoned(written: dict[str, dt.datetime], now: dt.datetime) -> bool:
    finished = any(key.endswith(f"/{MANIFEST}") for key in written)
    return bool(written) and not finished and now - max(written.values()) > OLD


def _remove(room: Store, folder: str, now: dt.datetime) -> bool:
    """Looked at once more, right before: somebody may have begun to make that very dataset again."""
    written = room.written(f"{folder}/")
    if not _is_abandoned(written, now):
        return False
    for key in written:
        room.delete(key)
    return True
