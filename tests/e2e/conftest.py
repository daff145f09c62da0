"""The demo of the use case that a file of tests names, as processes and in containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.main_job")

from tests.main_job import Demo, demo_of  # noqa: E402


@pytest.fixture(scope="module")
def processes(use_case: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Each stage as a process."""
    yield from demo_of(use_case, tmp_path_factory.mktemp("processes"), "process")


@pytest.fixture(scope="module")
def containers(use_case: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Each task in its container."""
    yield from demo_of(use_case, tmp_path_factory.mktemp("containers"), "docker")
