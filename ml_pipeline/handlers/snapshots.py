"""Raw snapshots of a source: immutable, one for each as-of moment, each with what is new since the one before."""

from __future__ import annotations

import datetime as dt

from ml_pipeline.artifacts.datasets import MANIFEST, Dataset, open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import NotFoundError

FORMAT = "%Y%m%dT%H%M%SZ"


def folder_name(as_of: dt.datetime) -> str:
    """A moment as the name of its folder: names sort as the moments do."""
    utc = as_of.astimezone(dt.UTC)
    return f"{utc.year:04d}{utc:%m%dT%H%M%SZ}"  # %Y does not pad on every system


def snapshot_key(source: str, as_of: dt.datetime) -> str:
    """Where a snapshot lies."""
    return f"raw/{source}/{folder_name(as_of)}"


def sent_folder(source: str) -> str:
    """The name under which records of a source lie that were sent to be learnt, rather than ingested."""
    return f"{source}.sent"


def moment(dataset: Dataset) -> dt.datetime:
    """The as-of of a snapshot."""
    return dt.datetime.strptime(dataset.key.rpartition("/")[2], FORMAT).replace(tzinfo=dt.UTC)


def history(store: Store, source: str, as_of: dt.datetime) -> list[Dataset]:
    """The snapshots that together hold all that was known at a moment, oldest first.

    Each names in its manifest the moment it goes on from (`since`); the chain is followed back from the latest one
    that is not after `as_of`.
    """
    earlier = [folder for folder in store.folders(f"raw/{source}/") if folder <= folder_name(as_of)]
    chain: list[Dataset] = []
    while earlier:
        found = _opened(store, f"raw/{source}/{earlier.pop()}")
        if not found:
            continue
        chain.insert(0, found)
        since = found.manifest.made_from.get("since", "")
        earlier = [folder for folder in earlier if since and folder <= since]
    return chain


def snapshots(store: Store, folder: str, as_of: dt.datetime) -> list[Dataset]:
    """All snapshots that lie under a name up to a moment, oldest first."""
    moments = sorted(own for own in store.folders(f"raw/{folder}/") if own <= folder_name(as_of))
    opened = (_opened(store, f"raw/{folder}/{own}") for own in moments)
    return [snapshot for snapshot in opened if snapshot]


def _opened(store: Store, key: str) -> Dataset | None:
    try:
        return open_dataset(store, key)
    except NotFoundError:  # a writer is at work there, or was stopped: without a manifest it does not count
        return None


def forget(store: Store, source: str) -> int:
    """Make all snapshots of a source invisible, those of records to score or to learn among them; how many there were.

    Their parts stay, for other snapshots may share them.
    """
    folders = (f"raw/{source}/", f"raw/{source}.new/", f"raw/{sent_folder(source)}/")
    manifests = [key for folder in folders for key in store.keys(folder) if key.endswith(f"/{MANIFEST}")]
    for key in manifests:
        store.delete(key)
    return len(manifests)
