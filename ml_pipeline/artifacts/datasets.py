"""Datasets: Parquet parts and one manifest, written last, so that a dataset is visible only when whole.

`manifest.yaml` holds what a reader needs to trust the parts (rows, bytes, digests) and a person needs to place them
(schema, time range, as-of, what it was made from, what was set aside and why). Beside it lies the profile of the rows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_pipeline.artifacts import manifest as manifest_file
from ml_pipeline.artifacts.manifest import Manifest, Part, digest_of
from ml_pipeline.artifacts.part_queue import PartQueue
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category, Column, Columns, kind
from ml_pipeline.contract import Artifact
from ml_pipeline.data import arrow, parquet
from ml_pipeline.data.profile import Profile, unpack
from ml_pipeline.data.running_profile import RunningProfile
from ml_pipeline.errors import IntegrityError, NotFoundError, SchemaError
from ml_pipeline.stopwatch import timed

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "manifest.yaml"
Reject = tuple[str, Any]
"""A record that is set aside: the reason and the record itself, as plain values."""


class Dataset:
    """A stored dataset: its manifest, and its parts as batches."""

    def __init__(self, store: Store, key: str, manifest: Manifest) -> None:
        self.store, self.key, self.manifest = store, key, manifest

    def table(self, part: Part, columns: Sequence[str] | None = None) -> pa.Table:
        """One part, its digest verified."""
        key = part.elsewhere or f"{self.key}/{part.name}"
        return parquet.decode(self.store.verified(key, part.sha256), columns, self.store.address(key))

    def batches(self, columns: Sequence[str] | None = None) -> list[Callable[[], dict[str, Column]]]:
        """One loader for each part, to be called where the batch is needed.

        Raises:
            SchemaError: the dataset lacks a column.
        """
        self._check(columns)
        return [partial(self._load, part, columns) for part in self.manifest.parts]

    def _load(self, part: Part, columns: Sequence[str] | None) -> dict[str, Column]:
        with timed("read"):
            return arrow.to_columns(self.table(part, columns))

    def _check(self, columns: Sequence[str] | None) -> None:
        if missing := sorted(set(columns or ()) - set(self.manifest.columns)):
            raise SchemaError(
                f"the dataset {self.manifest.name} has no column {missing[0]!r}",
                given=", ".join(self.manifest.columns),
                expected=", ".join(columns or ()),
                do="let the preparation keep the column, or do not ask for it",
            )

    def columns(self, names: Sequence[str] | None = None) -> dict[str, Column]:
        """The whole dataset in memory."""
        import pyarrow as pa

        self._check(names)
        tables = [self.table(part, names) for part in self.manifest.parts]
        return arrow.to_columns(pa.concat_tables(tables).unify_dictionaries() if tables else self.empty(), names)

    def empty(self) -> pa.Table:
        """No rows, the right columns."""
        return self.manifest.schema().empty_table()

    def profile(self) -> Profile:
        """What its columns look like, as was found when it was written; where that cannot be read, found again."""
        key = profile_key(self.key, self.manifest)
        try:
            return unpack(self.store.get(key), self.store.address(key))
        except (NotFoundError, IntegrityError):
            found = RunningProfile()
            for number, part in enumerate(self.manifest.parts):
                found.add(number, self.table(part))
            return found.whole() if self.manifest.parts else Profile.of(arrow.to_columns(self.empty()))

    def artifact(self) -> Artifact:
        """How results refer to it."""
        own = self.manifest
        return Artifact(own.name, self.store.address(self.key), self.key, own.digest, own.rows, own.bytes)


class DatasetWriter:
    """Cuts what it is given into parts with fixed borders, then makes them visible by the manifest.

    Args:
        store: Where to.
        key: The dataset's folder.
        name: The dataset's name in the graph.
        time: The column whose range the manifest gives.
    """

    def __init__(self, store: Store, key: str, name: str, time: str | None = None) -> None:
        self.store, self.key, self.name, self.time = store, key, name, time
        self.shared: dict[str, str] = {}
        self.schema: pa.Schema | None = None
        self.pending: list[pa.Table] = []
        self.pending_rows = 0
        self.rows = 0
        self.parts = PartQueue()
        self.profile = RunningProfile()
        self.rejects: list[tuple[str, str]] = []
        self.quarantine: list[Part] = []
        self.quarantined: Counter[str] = Counter()
        self.range: list[dt.datetime] = []

    def share(self, earlier: Dataset) -> None:
        """Refer to parts of an earlier dataset where they would be stored again."""
        self.shared |= {part.sha256: part.elsewhere or f"{earlier.key}/{part.name}" for part in earlier.manifest.parts}

    def write(self, batch: pa.Table | Columns) -> None:
        """Add rows; parts that are whole are encoded and stored in the background.

        Raises:
            SchemaError: their columns are not those of the rows before.
            StoreError: a part of the rows before could not be stored.
        """
        table = arrow.to_table(batch) if isinstance(batch, Mapping) else batch
        self.schema = self.schema or table.schema
        if not table.num_rows:
            return
        self._widen_range(table)
        self.pending.append(_alike(table, self.schema, self.name))
        self.pending_rows += table.num_rows
        self.rows += table.num_rows
        while self.pending_rows >= parquet.ROWS_PER_PART:
            self._flush(parquet.ROWS_PER_PART)

    def set_aside(self, rejects: Iterable[Reject]) -> None:
        """Add records to the quarantine, with the reason why."""
        for reason, record in rejects:
            self.quarantined[reason] += 1
            self.rejects.append((reason, json.dumps(record, default=str, sort_keys=True)))
        while len(self.rejects) >= parquet.ROWS_PER_PART:
            self._flush_rejects()

    def close(self, made_from: Mapping[str, Any], replace: bool = False) -> Dataset:
        """Write what is left, the profile, then the manifest.

        Where another writer was first, its dataset is the one that counts, unless this one is to `replace` it.
        """
        if self.pending_rows:
            self._flush(self.pending_rows)
        self._flush_rejects()
        manifest = self._manifest(self.parts.finish(), made_from)
        if not self.rows and self.schema:
            self.profile.add(0, self.schema.empty_table())
        self.store.put(profile_key(self.key, manifest), self.profile.whole().pack())
        content = manifest_file.dump(manifest)
        if replace:
            self.store.put(f"{self.key}/{MANIFEST}", content)
        elif not self.store.create(f"{self.key}/{MANIFEST}", content):
            return open_dataset(self.store, self.key)
        return Dataset(self.store, self.key, manifest)

    def _manifest(self, parts: Sequence[Part], made_from: Mapping[str, Any]) -> Manifest:
        columns = {f.name: str(f.type) for f in self.schema or ()}
        first_and_last = [end.isoformat() for end in self.range]
        return Manifest(
            name=self.name,
            rows=self.rows,
            bytes=sum(p.bytes for p in parts),
            columns=columns,
            time=dict(zip(("column", "first", "last"), (self.time or "", *first_and_last), strict=True))
            if first_and_last
            else {},
            made_from=dict(made_from),
            parts=tuple(parts),
            quarantined=dict(sorted(self.quarantined.items())),
            quarantine=tuple(self.quarantine),
            digest=digest_of(columns, parts, self.quarantine),
        )

    def _flush(self, rows: int) -> None:
        """A part of the first pending rows."""
        pieces, missing = [], rows
        while missing:
            piece = self.pending.pop(0)
            pieces.append(piece.slice(0, missing))
            if piece.num_rows > missing:
                self.pending.insert(0, piece.slice(missing))
            missing -= pieces[-1].num_rows
        self.pending_rows -= rows
        self.parts.add(self._part, len(self.parts), pieces)

    def _part(self, number: int, pieces: Sequence[pa.Table]) -> Part:
        with timed("write"):
            table = _one(pieces)
            self.profile.add(number, table)
        return self._put(f"part-{number:05d}", table)

    def _flush_rejects(self) -> None:
        import pyarrow as pa

        if self.rejects:
            rows = parquet.ROWS_PER_PART
            reasons, records = zip(*self.rejects[:rows], strict=True)
            table = pa.table({"reason": pa.array(reasons, pa.string()), "record": pa.array(records, pa.string())})
            self.quarantine.append(self._put(f"quarantine-{len(self.quarantine):05d}", table))
            self.rejects = self.rejects[rows:]

    def _put(self, stem: str, table: pa.Table) -> Part:
        """Two writers never share a part's name unless they write the same bytes."""
        with timed("write"):
            content = parquet.encode(table)
            sha256 = hashlib.sha256(content).hexdigest()
        name = f"{stem}-{sha256[:12]}.parquet"
        if sha256 not in self.shared:
            self.store.put(f"{self.key}/{name}", content)
        return Part(name, table.num_rows, len(content), sha256, self.shared.get(sha256, ""))

    def _widen_range(self, table: pa.Table) -> None:
        if self.time not in table.column_names:
            return
        times = arrow.to_column(table.column(self.time))
        if isinstance(times, Category) or kind(times) != "time":
            return
        if (known := times[~np.isnat(times)]).size:
            ends = [end.item().replace(tzinfo=dt.UTC) for end in (known.min(), known.max())]
            self.range = [min(*self.range[:1], ends[0]), max(*self.range[1:], ends[1])] if self.range else ends


def profile_key(key: str, manifest: Manifest) -> str:
    """Where a dataset's profile lies: of two writers of other content each finds its own."""
    return f"{key}/profile-{manifest.digest[:12]}.msgpack"


def open_dataset(store: Store, key: str) -> Dataset:
    """A stored dataset.

    Raises:
        NotFoundError: there is none, or not all of it was written.
        IntegrityError: its manifest is not what was written.
    """
    path = f"{key}/{MANIFEST}"
    return Dataset(store, key, manifest_file.load(store.get(path), store.address(path)))


def _alike(table: pa.Table, first: pa.Schema, name: str) -> pa.Table:
    """A batch with the columns of the first one."""
    import pyarrow as pa

    if table.schema.equals(first):
        return table
    try:
        return table.cast(first)
    except (ValueError, pa.ArrowException) as error:
        given, expected = (", ".join(f"{f.name}: {f.type}" for f in schema) for schema in (table.schema, first))
        raise SchemaError(
            f"two batches of {name} have different columns",
            given=given,
            expected=expected,
            do="let the reader or the preparation give the same columns for every batch",
        ) from error


def _one(pieces: Sequence[pa.Table]) -> pa.Table:
    """One table, its dictionaries such that its bytes follow from the rows alone."""
    import pyarrow as pa

    table = pa.concat_tables(pieces).unify_dictionaries().combine_chunks()
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, arrow.compact(table.column(index).chunk(0)))
    return table
