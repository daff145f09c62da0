"""The disk of the object store that is full, and has room again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import StoreError
from tests.faults.place import StoreServer

pytestmark = [
    pytest.mark.store,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk that can be full"),
]
FOLDERS = [f"{number}/object" for number in range(12)]
"""The store's index has parts by folder, and each of them can have met the full disk."""
BEFORE, AFTER = b"before", b"after"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreServer]:
    made = StoreServer(tmp_path / "store", near="127.0.0.1")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.end()


def test_once_started_again_a_store_whose_disk_was_full_takes_everything_and_has_what_it_took(
    server: StoreServer,
) -> None:
    store = Store(server.endpoint.uri)
    for key in FOLDERS:
        store.put(key, BEFORE)
    server.fill()
    while _refused(store) != FOLDERS:
        server.fill()
    server.drain()
    server.ready()
    assert {store.get(key) for key in FOLDERS} <= {BEFORE, AFTER}
    assert not _refused(store)
    assert {store.get(key) for key in FOLDERS} == {AFTER}


def _refused(store: Store) -> list[str]:
    """Which objects the store does not take anew."""
    refused = []
    for key in FOLDERS:
        try:
            store.put(key, AFTER)
        except StoreError:
            refused.append(key)
    return refused
