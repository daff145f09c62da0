"""Datasets: Parquet parts and one manifest, written last, so that a dataset is visible only when whole.

`manifest.yaml` holds what a reader needs to trust the parts (rows, bytes, digests) and a person needs to place them
(schema, time range, as-of, what it was made from, what was set aside and why).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Column, Columns, concat
from ml_pipeline.contract import Artifact
from ml_pipeline.data import arrow, parquet
from ml_pipeline.errors import IntegrityError, SchemaError

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "manifest.yaml"
Reject = tuple[str, Any]
"""A record that is set aside: the reason and the record itself, as plain values."""


class Part(msgspec.Struct, frozen=True):
    """One Parquet file of a dataset."""

    name: str
    rows: int
    bytes: int
    sha256: str
    elsewhere: str = ""
    """The key of the same content in an earlier dataset, where it is not stored again."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a dataset is. `digest` covers the schema and the content of all parts, not how they came about."""

    name: str
    digest: str
    rows: int
    bytes: int
    columns: dict[str, str]
    parts: tuple[Part, ...]
    quarantined: dict[str, int] = {}
    quarantine: tuple[Part, ...] = ()
    time: dict[str, str] = {}
    made_from: dict[str, Any] = {}


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
        if missing := sorted(set(columns or ()) - set(self.manifest.columns)):
            raise SchemaError(
                f"the dataset {self.manifest.name} has no column {missing[0]!r}",
                given=", ".join(self.manifest.columns),
                expected=", ".join(columns or ()),
                do="let the preparation keep the column, or do not ask for it",
            )
        return [partial(self._load, part, columns) for part in self.manifest.parts]

    def _load(self, part: Part, columns: Sequence[str] | None) -> dict[str, Column]:
        return arrow.to_columns(self.table(part, columns))

    def columns(self, names: Sequence[str] | None = None) -> dict[str, Column]:
        """The whole dataset in memory."""
        batches = [load() for load in self.batches(names)]
        return concat(batches) if batches else arrow.to_columns(self.empty(), names)

    def empty(self) -> pa.Table:
        """No rows, the right columns."""
        import pyarrow as pa

        return (
            arrow.to_table({})
            if not self.manifest.columns
            else pa.schema([(name, _type(text)) for name, text in self.manifest.columns.items()]).empty_table()
        )

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
        self.parts: list[Part] = []
        self.rejects: list[tuple[str, str]] = []
        self.quarantine: list[Part] = []
        self.quarantined: Counter[str] = Counter()
        self.range: list[str] = []

    def share(self, earlier: Dataset) -> None:
        """Refer to parts of an earlier dataset where they would be stored again."""
        self.shared |= {part.sha256: part.elsewhere or f"{earlier.key}/{part.name}" for part in earlier.manifest.parts}

    @property
    def rows(self) -> int:
        """Rows written so far."""
        return sum(part.rows for part in self.parts) + self.pending_rows

    def write(self, batch: pa.Table | Columns) -> None:
        """Add rows."""
        table = arrow.to_table(batch) if isinstance(batch, Mapping) else batch
        self.schema = self.schema or table.schema
        if not table.num_rows:
            return
        self._widen_range(table)
        self.pending.append(table.cast(self.schema))
        self.pending_rows += table.num_rows
        while self.pending_rows >= parquet.ROWS_PER_PART:
            self._flush(parquet.ROWS_PER_PART)

    def set_aside(self, rejects: Iterable[Reject]) -> None:
        """Add records to the quarantine, with the reason why."""
        for reason, record in rejects:
            self.quarantined[reason] += 1
            self.rejects.append((reason, json.dumps(record, default=str, sort_keys=True)))
        if len(self.rejects) >= parquet.ROWS_PER_PART:
            self._flush_rejects()

    def close(self, made_from: Mapping[str, Any], replace: bool = False) -> Dataset:
        """Write what is left, then the manifest.

        Where another writer was first, its dataset is the one that counts, unless this one is to `replace` it.
        """
        if self.pending_rows:
            self._flush(self.pending_rows)
        self._flush_rejects()
        columns = {f.name: str(f.type) for f in self.schema or ()}
        manifest = Manifest(
            name=self.name,
            digest=_digest(columns, self.parts, self.quarantine),
            rows=sum(p.rows for p in self.parts),
            bytes=sum(p.bytes for p in self.parts),
            columns=columns,
            parts=tuple(self.parts),
            quarantined=dict(sorted(self.quarantined.items())),
            quarantine=tuple(self.quarantine),
            time={"column": self.time, "first": self.range[0], "last": self.range[1]}
            if self.time and self.range
            else {},
            made_from=dict(made_from),
        )
        content = plain_yaml.dump(msgspec.to_builtins(manifest))
        if replace:
            self.store.put(f"{self.key}/{MANIFEST}", content)
        elif not self.store.create(f"{self.key}/{MANIFEST}", content):
            return open_dataset(self.store, self.key)
        return Dataset(self.store, self.key, manifest)

    def _flush(self, rows: int) -> None:
        import pyarrow as pa

        table = pa.concat_tables(self.pending).unify_dictionaries() if len(self.pending) > 1 else self.pending[0]
        self.parts.append(self._put(f"part-{len(self.parts):05d}", table.slice(0, rows)))
        rest = table.slice(rows)
        self.pending, self.pending_rows = ([rest] if rest.num_rows else []), rest.num_rows

    def _flush_rejects(self) -> None:
        import pyarrow as pa

        if self.rejects:
            reasons, records = zip(*self.rejects, strict=True)
            table = pa.table({"reason": pa.array(reasons, pa.string()), "record": pa.array(records, pa.string())})
            self.quarantine.append(self._put(f"quarantine-{len(self.quarantine):05d}", table))
            self.rejects = []

    def _put(self, stem: str, table: pa.Table) -> Part:
        """Two writers never share a part's name unless they write the same bytes."""
        content = parquet.encode(_compact(table))
        sha256 = hashlib.sha256(content).hexdigest()
        name = f"{stem}-{sha256[:12]}.parquet"
        if sha256 not in self.shared:
            self.store.put(f"{self.key}/{name}", content)
        return Part(name, table.num_rows, len(content), sha256, self.shared.get(sha256, ""))

    def _widen_range(self, table: pa.Table) -> None:
        import pyarrow.compute as pc

        if self.time and self.time in table.column_names:
            ends = pc.min_max(table.column(self.time)).as_py()
            found = [end.isoformat() for end in ends.values() if end is not None]
            self.range = sorted([*self.range, *found])[:: max(1, len(self.range) + len(found) - 1)]


def open_dataset(store: Store, key: str) -> Dataset:
    """A stored dataset.

    Raises:
        NotFoundError: there is none, or not all of it was written.
        IntegrityError: its manifest is not one.
    """
    content = store.get(f"{key}/{MANIFEST}")
    try:
        manifest = msgspec.convert(plain_yaml.load(content), Manifest)
    except msgspec.ValidationError as error:
        raise IntegrityError("a manifest is not what was written", given=f"{store.address(key)}: {error}") from error
    return Dataset(store, key, manifest)


def _digest(columns: dict[str, str], parts: Iterable[Part], quarantine: Iterable[Part]) -> str:
    content = [columns, [part.sha256 for part in parts], [part.sha256 for part in quarantine]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _compact(table: pa.Table) -> pa.Table:
    """Dictionaries that hold just the words in use, in order of appearance: bytes follow from the rows alone."""
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = table.column(index).cast(field.type.value_type).combine_chunks()
            table = table.set_column(index, field.name, plain.dictionary_encode())
    return table.combine_chunks()


def _type(text: str) -> pa.DataType:
    import pyarrow as pa

    if text.startswith("dictionary"):
        return pa.dictionary(pa.int32(), pa.string())
    if text.startswith("timestamp"):
        return pa.timestamp("us", "UTC")
    return {"double": pa.float64(), "string": pa.string(), "bool": pa.bool_()}.get(text) or pa.type_for_alias(text)
