from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_pipeline import discovery


@pytest.fixture
def use_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for use cases, with a store beside it."""
    folder = tmp_path / "use_cases"
    folder.mkdir()
    monkeypatch.setenv(discovery.FOLDERS, str(folder))
    before = set(sys.modules)
    discovery._packages.cache_clear()
    yield folder
    for module in set(sys.modules) - before:
        if module.startswith("ml_pipeline.use_cases."):
            sys.modules.pop(module)
    monkeypatch.undo()
    discovery._packages.cache_clear()
    discovery.names()
