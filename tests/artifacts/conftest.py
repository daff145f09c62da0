"""A store in a folder and one on a real S3 server: what holds for one must hold for the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_pipeline.artifacts import embedded
from ml_pipeline.artifacts.embedded import Endpoint
from ml_pipeline.artifacts.store import Store, _client

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One S3 server for all tests of this folder, on a port of its own."""
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "S3_PORT", 0)
        endpoint = embedded.start(folder)
    yield endpoint
    embedded.stop(folder)


@pytest.fixture
def s3(server: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty folder of the server's bucket, reached with its own keys."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    _client.cache_clear()
    yield Store(server.uri).within(tmp_path.name)
    _client.cache_clear()


@pytest.fixture
def local(tmp_path: Path) -> Store:
    """A store in an empty folder."""
    return Store(str(tmp_path / "store"))


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.store)])
def store(request: pytest.FixtureRequest) -> Store:
    """Either of the two."""
    found: Store = request.getfixturevalue(request.param)
    return found
