from __future__ import annotations

from pathlib import Path

import pytest

from ml_pipeline.artifacts.progress import Progress
from ml_pipeline.artifacts.store import Store


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress(Store(str(tmp_path)).within("demo"), "pulls/registry/20240101T000000Z/")


def test_what_was_put_is_there_for_whoever_comes_next(progress: Progress) -> None:
    progress["page-1"] = b"one"
    progress["page-2"] = b"two"
    progress["page-1"] = b"uno"
    again = Progress(progress.store, progress.folder)
    assert dict(again) == {"page-1": b"uno", "page-2": b"two"}
    assert len(again) == 2


def test_a_name_that_is_not_there(progress: Progress) -> None:
    assert progress.get("page-1") is None
    with pytest.raises(KeyError, match="page-1"):
        progress["page-1"]


def test_when_the_snapshot_is_whole_all_of_it_is_forgotten_and_nothing_else(progress: Progress) -> None:
    progress["page-1"] = b"one"
    progress.store.put("pulls/registry/20240102T000000Z/page-1", b"of another moment")
    progress.clear()
    assert dict(progress) == {}
    assert progress.store.keys("pulls/") == ["pulls/registry/20240102T000000Z/page-1"]
    progress.clear()
