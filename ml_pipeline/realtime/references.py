"""The other sources as known at a moment: their stored snapshots, prepared in memory, each of them once.

A batch run as of the same moment joins the same rows: it prepares the same snapshots by the same functions.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple, cast

from ml_pipeline.artifacts.datasets import MANIFEST, Dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Columns, concat
from ml_pipeline.config import Join, SourceConfig
from ml_pipeline.data.joins import Reference
from ml_pipeline.data.rejects import set_apart
from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import NotReadyError
from ml_pipeline.handlers.snapshots import folder_name, history
from ml_pipeline.templates import NO_PARAMETERS, BaseModel


class Known(NamedTuple):
    """The references of a moment, and the snapshots of each source that they are made of, oldest first."""

    references: tuple[Reference, ...]
    snapshots: Mapping[str, tuple[str, ...]]


class ReferenceRoom:
    """Makes references; what is prepared of a snapshot is kept for the next ones, for a snapshot never changes."""

    def __init__(self, use_case: UseCase, store: Store) -> None:
        self.use_case, self.store = use_case, store
        self.sources = use_case.config.sources
        self.joined = {name: own for name, own in self.sources.items() if own.join}
        self.prepared: dict[str, Columns] = {}
        self.at_work = Lock()

    def known(self, as_of: dt.datetime) -> Known:
        """What is known as of a moment.

        Raises:
            NotReadyError: a source has no records yet.
        """
        with self.at_work:
            chains = {name: self._snapshots(name, as_of) for name in self._origins()}
            made = [self._reference(name, own, chains[own.derived or name]) for name, own in self.joined.items()]
        return Known(tuple(made), {name: tuple(own.key for own in chain) for name, chain in chains.items()})

    def is_newer(self, known: Known, as_of: dt.datetime) -> bool:
        """Whether a snapshot has become whole since: it costs a question or two for each source."""
        return any(self._whole_since(name, _folder(keys[-1]), as_of) for name, keys in known.snapshots.items())

    def forget_all_but(self, known: Known) -> None:
        """What was prepared of snapshots that are no longer used."""
        used = {key for keys in known.snapshots.values() for key in keys}
        with self.at_work:
            self.prepared = {key: columns for key, columns in self.prepared.items() if key in used}

    def _whole_since(self, source: str, newest: str, as_of: dt.datetime) -> bool:
        later = [name for name in self.store.folders(f"raw/{source}/") if newest < name <= folder_name(as_of)]
        return any(self.store.exists(f"raw/{source}/{name}/{MANIFEST}") for name in later)

    def _origins(self) -> list[str]:
        """Sources whose records are stored, behind those that are joined."""
        return list(dict.fromkeys(own.derived or name for name, own in self.joined.items()))

    def _snapshots(self, source: str, as_of: dt.datetime) -> list[Dataset]:
        """The snapshots that a run as of the moment would take, oldest first; at least one of them holds rows."""
        chain = history(self.store, source, as_of)
        own = chain if self.sources[source].known else chain[-1:]
        if not any(snapshot.manifest.rows for snapshot in own):
            raise NotReadyError(
                f"nothing is known of the source {source} yet",
                given=f"no records of it in the store as of {as_of.isoformat()}",
                do=f"run `ml-pipeline run {self.use_case.config.name} online` once, or give a later as-of",
            )
        return own

    def _reference(self, name: str, own: SourceConfig, chain: Sequence[Dataset]) -> Reference:
        """A source to be looked up, of all its prepared rows."""
        rows = concat([self._rows(own.derived or name, snapshot) for snapshot in chain if snapshot.manifest.rows])
        if own.derived:
            derive = self.use_case.load(own.prepare)
            rows = dict(_good(derive, _only(rows, _reads(derive))))
        return Reference.of(name, rows, cast(Join, own.join))

    def _rows(self, source: str, snapshot: Dataset) -> Columns:
        """The prepared rows of a snapshot, with the columns that somebody needs."""
        if snapshot.key not in self.prepared:
            prepare = self.use_case.load(self.sources[source].prepare)
            batches = [_good(prepare, load()) for load in snapshot.batches()]
            self.prepared[snapshot.key] = concat([_only(batch, self._needed(source)) for batch in batches])
        return self.prepared[snapshot.key]

    def _needed(self, source: str) -> Sequence[str] | None:
        """Columns of a source that are joined, or that others are derived from; None for all."""
        derived = [own for own in self.joined.values() if own.derived == source]
        reads = [_reads(self.use_case.load(own.prepare)) for own in derived]
        if source in self.joined or None in reads:
            return None
        return list(dict.fromkeys(name for names in reads for name in names or ()))


def _parameters(prepare: Any) -> Any:
    return prepare.parameters if isinstance(prepare, BaseModel) else NO_PARAMETERS


def _reads(prepare: Any) -> Sequence[str] | None:
    """The columns that a derivation reads; all, where it does not say."""
    columns: Sequence[str] | None = _parameters(prepare).get("columns")
    return columns


def _good(prepare: Any, columns: Columns) -> Columns:
    return set_apart(prepare.transform(columns, _parameters(prepare)))[0]


def _only(columns: Columns, names: Sequence[str] | None) -> Columns:
    return columns if names is None else {name: columns[name] for name in names}


def _folder(key: str) -> str:
    return key.rpartition("/")[2]
