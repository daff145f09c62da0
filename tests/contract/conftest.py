"""Subjects are made once, whatever number of rules they are tried by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

pytest.register_assert_rewrite("tests.contract.rules", "tests.contract.compare")

from tests.contract.samples import sample  # noqa: E402
from tests.contract.subjects import Recipe, Subject  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As the engine has it: sums of several threads are rounded in another order."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def subject_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recipe], Subject]:
    """The subject that a recipe makes."""

    @cache
    def samples(name: str) -> Mapping[str, Subject]:
        return sample(name, tmp_path_factory.mktemp("store"))

    made: dict[str, Subject] = {}

    def subject(recipe: Recipe) -> Any:
        if recipe.name not in made:
            made[recipe.name] = recipe.make(samples)
        return made[recipe.name]

    return subject
