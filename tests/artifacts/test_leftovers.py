"""Parts without a manifest go once nobody can be writing them any more; all else stays."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import numpy as np
import pytest

from ml_pipeline.artifacts.datasets import DatasetWriter
from ml_pipeline.artifacts.leftovers import OLD, sweep
from ml_pipeline.artifacts.store import Store

KEPT = "shop/data/whole", "shop/raw/orders/20240101T000000Z"


def _fill(store: Store) -> None:
    """A whole dataset, parts of one that was broken off, and of a snapshot too, in the rooms of two use cases."""
    writer = DatasetWriter(store.within("shop"), "data/whole", "split")
    writer.write({"x": np.arange(3.0)})
    writer.close({})
    for key in ("shop/data/broken/part-00000-0a.parquet", "shop/data/broken/part-00001-0b.parquet"):
        store.put(key, b"PAR1")
    store.put("trials/data/other/part-00000-0c.parquet", b"PAR1")
    store.put("shop/raw/orders/20240101T000000Z/part-00000-0d.parquet", b"PAR1")


def _check(store: Store) -> None:
    _fill(store)
    before, now = store.keys(""), dt.datetime.now(dt.UTC)
    assert sweep(store, now + OLD / 2) == []
    assert store.keys("") == before
    assert sweep(store, now + 2 * OLD) == [store.address("shop/data/broken"), store.address("trials/data/other")]
    assert store.keys("") == [key for key in before if key.startswith(KEPT)]
    assert sweep(store, now + 2 * OLD) == []


def test_in_a_folder(tmp_path: Path) -> None:
    _check(Store(str(tmp_path)))


@pytest.mark.store
def test_in_an_object_store(s3: Store) -> None:
    _check(s3)


def test_a_store_that_nobody_has_used_is_not_made_by_looking(tmp_path: Path) -> None:
    assert sweep(Store(str(tmp_path / "none")), dt.datetime.now(dt.UTC)) == []
    assert not (tmp_path / "none").exists()


def test_one_young_part_keeps_all_of_its_dataset(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    _fill(store)
    (young, old) = sorted((tmp_path / "shop/data/broken").iterdir())
    later = dt.datetime.now(dt.UTC) + 2 * OLD
    os.utime(young, (later.timestamp(), later.timestamp()))
    assert sweep(store, later) == [store.address("trials/data/other")]
    assert young.exists()
    assert old.exists()
