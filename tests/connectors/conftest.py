"""A folder and a bucket of a real S3 server with the same files; a real PostgreSQL server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from ml_pipeline.artifacts.store import Store
from ml_pipeline.data.conform import Rejects, conform
from ml_pipeline.data.sources import Records, Source, Window
from tests.postgresql import postgresql as server_of_postgresql

ALL = Window(None, dt.datetime(2024, 6, 1, tzinfo=dt.UTC))


def _read(source: Source, window: Window = ALL) -> tuple[pa.Table, Rejects]:
    """All that a source gives, with the types it promises, and all that is set aside, as the ingest stage has it."""
    tables, rejects = [], []
    for records in source.read(window):
        table, unfit = conform(records.batch, source.types, "it")
        tables.append(table)
        rejects += [*records.rejects, *unfit]
    return pa.concat_tables(tables), rejects


@pytest.fixture
def read() -> Callable[..., tuple[pa.Table, Rejects]]:
    return _read


@pytest.fixture
def batches() -> Callable[[Source], list[Records]]:
    """What a source gives, batch by batch."""
    return lambda source: list(source.read(ALL))


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.store)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty folder, on this machine or in the bucket."""
    return request.getfixturevalue("s3") if request.param == "s3" else Store(str(tmp_path / "files"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a real server."""
    with server_of_postgresql() as address:
        yield address
