"""Datasets that pass in memory are the datasets they would be in the store."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ml_pipeline.artifacts.datasets import MANIFEST, Dataset, DatasetWriter, open_dataset
from ml_pipeline.artifacts.passing_store import PassingStore
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import IntegrityError, NotFoundError

ROOM = 1 << 20
KEY = "data/abc"
Make = Callable[..., PassingStore]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda room=ROOM, names=("combined", "train"): PassingStore(str(tmp_path / "store"), "demo/", names, room)


def below(store: Store) -> list[str]:
    """Keys of all that is really stored."""
    return Store(store.uri, store.prefix).keys("")


def write(store: Store, rows: int = 100, rejects: int = 0) -> Dataset:
    writer = DatasetWriter(store, KEY, "combined")
    writer.write({"x": np.arange(float(rows))})
    writer.set_aside(("spoilt", {"row": row}) for row in range(rejects))
    return writer.close({})


def test_what_passes_is_read_as_it_was_written_and_nothing_is_stored(make: Make) -> None:
    store = make()
    store.expect(KEY, {"combined"})
    made = write(store)
    assert below(store) == []
    found = open_dataset(store, KEY)
    assert found.columns()["x"].tolist() == list(range(100))
    assert found.manifest == made.manifest
    assert found.artifact().uri == "memory:demo/data/abc"
    assert found.artifact().passed
    assert store.exists(f"{KEY}/{MANIFEST}")


def test_it_has_the_digest_that_it_has_in_a_store(make: Make, tmp_path: Path) -> None:
    store = make()
    store.expect(KEY, {"combined"})
    ours, theirs = write(store).artifact(), write(Store(str(tmp_path / "other"))).artifact()
    assert (ours.digest, ours.rows, ours.bytes) == (theirs.digest, theirs.rows, theirs.bytes)
    assert not theirs.passed


def test_what_is_not_expected_or_goes_by_another_name_too_is_stored(make: Make) -> None:
    store = make()
    store.put("runs/r/result.json", b"{}")
    store.expect(KEY, {"combined", "scored"})
    assert not write(store).artifact().passed
    assert store.create("promotions/1", b"1")
    assert not store.create("promotions/1", b"2")
    assert {key.partition("/")[0] for key in below(store)} == {"data", "promotions", "runs"}


def test_a_dataset_that_goes_beyond_the_room_is_stored_whole(make: Make) -> None:
    store = make(room=10_000)
    store.expect(KEY, {"combined"})
    made = write(store, rows=5 * 65_536)
    assert not made.artifact().passed
    stored = open_dataset(Store(store.uri, store.prefix), KEY)
    assert stored.columns()["x"].tolist() == list(range(5 * 65_536))
    assert len(stored.manifest.parts) == 5


def test_the_room_is_that_of_all_datasets_together(make: Make) -> None:
    store = make(room=100)
    for folder in ("data/a", "data/b"):
        store.expect(folder, {"train"})
        store.put(f"{folder}/part", bytes(60))
    assert below(store) == ["data/b/part"]
    store.release({"validation"})
    store.expect("data/c", {"train"})
    store.put("data/c/part", bytes(60))
    assert below(store) == ["data/b/part"]


def test_what_is_settled_is_stored_with_what_was_held_of_it(make: Make) -> None:
    store = make()
    store.expect(KEY, {"combined"})
    writer = DatasetWriter(store, KEY, "combined")
    writer.write({"x": np.arange(70_000.0)})
    writer.set_aside([("spoilt", {"row": 1})])
    store.settle(KEY)
    assert not writer.close({}).artifact().passed
    found = open_dataset(Store(store.uri, store.prefix), KEY)
    assert len(found.columns()["x"]) == 70_000
    assert found.manifest.quarantined == {"spoilt": 1}
    store.settle("data/unknown")


def test_what_nobody_needs_any_more_is_gone(make: Make) -> None:
    store = make()
    for folder, names in (("data/a", {"combined"}), ("data/b", {"combined", "train"})):
        store.expect(folder, names)
        store.put(f"{folder}/part", b"1")
    store.release({"train"})
    assert store.get("data/b/part") == b"1"
    with pytest.raises(NotFoundError):
        store.get("data/a/part")


def test_only_one_creator_wins_in_memory_too(make: Make) -> None:
    store = make()
    store.expect(KEY, {"combined"})
    assert store.create(f"{KEY}/{MANIFEST}", b"first")
    assert not store.create(f"{KEY}/{MANIFEST}", b"second")
    assert store.get(f"{KEY}/{MANIFEST}") == b"first"


def test_a_digest_is_verified_in_memory_too(make: Make) -> None:
    store = make()
    store.expect(KEY, {"combined"})
    store.put(f"{KEY}/part", b"spoilt")
    with pytest.raises(IntegrityError, match="memory:demo/data/abc/part, 6 bytes"):
        store.verified(f"{KEY}/part", "0" * 64)


def test_threads_that_write_beyond_the_room_lose_nothing(make: Make) -> None:
    store = make(room=5_000)
    store.expect(KEY, {"combined"})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.put(f"{KEY}/{number}", bytes([number]) * 100), range(100)))
    assert sorted(below(store)) == sorted(f"{KEY}/{number}" for number in range(100))
    assert all(store.get(f"{KEY}/{number}") == bytes([number]) * 100 for number in range(100))
