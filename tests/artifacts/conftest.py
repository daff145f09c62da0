"""A store in a folder and one on a real S3 server: what holds for one must hold for the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_pipeline.artifacts.store import Store


@pytest.fixture
def local(tmp_path: Path) -> Store:
    """A store in an empty folder."""
    return Store(str(tmp_path / "store"))


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.store)])
def store(request: pytest.FixtureRequest) -> Store:
    """Either of the two."""
    found: Store = request.getfixturevalue(request.param)
    return found
