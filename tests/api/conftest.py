"""The use case of the scaffold, trained, and clients of servers that offer it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from ml_pipeline import discovery
from ml_pipeline.api.settings import Settings
from ml_pipeline.artifacts import embedded, store
from ml_pipeline.contract import StageRequest
from ml_pipeline.run import default_run_id, run
from ml_pipeline.scaffold import new
from tests.api_site import AS_OF, Shop, live

Clients = Callable[..., httpx.Client]


class Stoppable(NamedTuple):
    """An S3 server that goes away, and comes back with all it had."""

    uri: str
    folder: Path

    def stop(self) -> None:
        """It answers no more."""
        embedded.stop(self.folder)

    def start(self) -> None:
        """It answers again."""
        embedded.start(self.folder)


@pytest.fixture(scope="session")
def use_cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the scaffold's use case, which this process finds."""
    folder = tmp_path_factory.mktemp("use_cases")
    new("shop", None, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(discovery.FOLDERS, str(folder))
        discovery._packages.cache_clear()
        yield folder
    discovery._packages.cache_clear()
    discovery.names()
    for module in [module for module in sys.modules if module.startswith("ml_pipeline.use_cases.shop")]:
        del sys.modules[module]


@pytest.fixture(scope="session")
def trained_shop(use_cases: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store in which shop is trained and has a champion; to be copied."""
    store = str(tmp_path_factory.mktemp("trained_shop") / "store")
    for mode in ("offline", "online"):
        run(StageRequest("shop", mode, (), default_run_id(mode, AS_OF), AS_OF, store))
    return store


@pytest.fixture
def shop(use_cases: Path, trained_shop: str, tmp_path: Path) -> Shop:
    """The use case with a store of its own."""
    return Shop(use_cases, str(shutil.copytree(trained_shop, tmp_path / "store")))


@pytest.fixture
def stoppable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stoppable]:
    """An S3 server of this test's own, in whose environment it is; clients soon say that it is away."""
    folder = tmp_path / "embedded"
    folder.mkdir()
    monkeypatch.setattr(embedded, "S3_PORT", 0)
    monkeypatch.setattr(store, "RETRY", {"max_retries": 1, "retry_timeout": timedelta(seconds=2)})
    endpoint = embedded.start(folder)
    try:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        store._client.cache_clear()
        yield Stoppable(endpoint.uri, folder)
    finally:
        embedded.stop(folder)
        store._client.cache_clear()


@pytest.fixture
def empty_shop(use_cases: Path, tmp_path: Path) -> Shop:
    """The use case, never trained."""
    return Shop(use_cases, str(tmp_path / "store"))


@pytest.fixture
def client_of() -> Iterator[Clients]:
    """Makes clients of servers in this process."""
    with ExitStack() as stack:

        def make(settings: Settings, **parts: Any) -> httpx.Client:
            url = stack.enter_context(live(settings, **parts))
            return stack.enter_context(httpx.Client(base_url=url, timeout=60))

        yield make


@pytest.fixture(scope="module")
def client(use_cases: Path, trained_shop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server that offers shop, shared by the tests of a file."""
    store = shutil.copytree(trained_shop, tmp_path_factory.mktemp("served") / "store")
    with live(Shop(use_cases, str(store)).settings()) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client
