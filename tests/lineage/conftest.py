"""A registry in a folder, empty or with a log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lineage.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty registry."""
    return Shelf(tmp_path / "store")


@pytest.fixture
def reigns(shelf: Shelf) -> Callable[..., Shelf]:
    """A registry in which models `a`, `b` and `c` are stored, with a log: `a` promotes a, `<a` rolls back to it."""

    def make(*words: str) -> Shelf:
        for version in "abc":
            shelf.model(version)
        shelf.log(*(("rollback" if word.startswith("<") else "promote", word.strip("<")) for word in words))
        return shelf

    return make
