"""Keys of a local folder from one on are those that sort after it, and folders before it are not opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.artifacts.store import Store

KEYS = ("a/1/x", "a/1-2", "a/10/x", "a/2/x", "a/2/y/z", "a/3", "b/1")


@pytest.mark.parametrize("after", ["", "a/0", "a/1", "a/1/x", "a/1-", "a/2/x", "a/2/y", "a/9", "b/"])
def test_they_are_those_that_sort_after_it(local: Store, after: str) -> None:
    for key in KEYS:
        local.put(key, b"")
    assert local.keys("a/", after=after) == sorted(key for key in KEYS if key.startswith("a/") and key > after)


def test_what_is_still_being_written_is_no_key(local: Store, tmp_path: Path) -> None:
    local.put("a/1", b"")
    (tmp_path / "store/a/2#1").touch()
    assert local.keys("a/", after="a/0") == ["a/1"] == local.keys("a/")
    assert local.keys("nowhere/", after="nowhere/0") == []


def test_folders_before_it_are_not_opened(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(20):
        local.put(f"index/{day:02d}/model", b"")
    opened: list[str] = []
    scandir = os.scandir

    def watched(path: Any) -> Any:
        opened.append(Path(path).name)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", watched)
    assert local.keys("index/", after="index/18") == ["index/18/model", "index/19/model"]
    assert sorted(opened) == ["18", "19", "index"]
