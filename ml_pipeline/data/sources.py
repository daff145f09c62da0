"""The protocol of a source: which columns its records have, and the records themselves, in batches.

A source may deliver more than the window asks for (the ingest stage filters), so a file is as good as a service that
answers exactly. `ml_pipeline.connectors` holds sources for files, databases and services.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ml_pipeline.chain import Links
from ml_pipeline.data.conform import Rejects

if TYPE_CHECKING:
    import pyarrow as pa

Types = dict[str, str]
"""Column name -> Arrow type, by its name: string, int64, float64, bool, timestamp (a text without an offset is UTC)."""


class Window(NamedTuple):
    """What is asked for: records that became known after `since` (all, if None) and not after `until`.

    `address` says where, as pipeline.yaml has it: a path, the URI of an object store, a database or a service; empty
    where the source knows. `progress` keeps what a pull has so far, by name, until its snapshot is whole: a source that
    takes long puts there what it would need to go on after it was killed.
    """

    since: dt.datetime | None
    until: dt.datetime
    address: str = ""
    progress: MutableMapping[str, bytes] | None = None


class Records(NamedTuple):
    """A batch as the source gave it, and what was no record at all as (reason, text).

    `synthetic` records were made up by a program; every result that rests on them says so.
    """

    batch: pa.RecordBatch | pa.Table
    rejects: Rejects
    synthetic: bool = False


class Source(Protocol):
    """Any object with these is a source. `adds` are functions whose columns are stored with every record."""

    types: Types
    adds: Links

    def read(self, window: Window) -> Iterator[Records]:
        """Records in batches, in a fixed order."""
        ...
