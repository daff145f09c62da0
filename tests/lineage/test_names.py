"""What people call a model, and what they hear where nobody is called so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ml_pipeline.errors import IntegrityError, NotFoundError, UsageError
from ml_pipeline.lineage.names import resolve

if TYPE_CHECKING:
    from tests.lineage.shelf import Shelf

VERSIONS = ("14d6e5faba75e898", "14d6e5fa00000000", "6012aed4698e9ac7")


@pytest.fixture
def known(shelf: Shelf) -> Shelf:
    """Three models, the first of them champion."""
    for version in VERSIONS:
        shelf.model(version)
    shelf.log(("promote", VERSIONS[0]))
    return shelf


@pytest.mark.parametrize(
    ("name", "version"),
    [(VERSIONS[0], VERSIONS[0]), ("6012", VERSIONS[2]), ("14d6e5faba", VERSIONS[0]), ("champion", VERSIONS[0])],
)
def test_a_version_its_beginning_and_a_role_are_names(known: Shelf, name: str, version: str) -> None:
    assert resolve(known.registry, name) == version


def test_a_beginning_of_several_lists_them(known: Shelf) -> None:
    with pytest.raises(UsageError, match="2 models have a version that begins so") as caught:
        resolve(known.registry, "14d6")
    assert caught.value.expected == "one of 14d6e5fa00000000, 14d6e5faba75e898"


def test_a_version_that_is_the_beginning_of_another_is_that_version(shelf: Shelf) -> None:
    for version in ("abcd", "abcdef"):
        shelf.model(version)
    assert resolve(shelf.registry, "abcd") == "abcd"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("6012aed4698e9ac8", VERSIONS[2]),
        ("6021", VERSIONS[2]),
        ("6012aed4698e9ac7b", VERSIONS[2]),
        ("14d7e5faba", "14d6e"),
    ],
)
def test_an_unknown_version_suggests_the_nearest(known: Shelf, name: str, near: str) -> None:
    with pytest.raises(NotFoundError, match="no such model") as caught:
        resolve(known.registry, name)
    assert caught.value.given == name
    assert f"did you mean {near}" in caught.value.do


@pytest.mark.parametrize("name", ["zzzz", "", "6", "601"])
def test_what_is_like_nothing_or_too_short_says_what_a_name_is(known: Shelf, name: str) -> None:
    with pytest.raises(NotFoundError, match="no such model") as caught:
        resolve(known.registry, name)
    assert "champion or candidate" in caught.value.expected


@pytest.mark.parametrize("name", ["..", "../x", "a//b"])
def test_a_name_that_leaves_the_folder_is_refused(known: Shelf, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        resolve(known.registry, name)


def test_half_a_model_is_none(known: Shelf) -> None:
    known.registry.store.put("models/77777777/parameters.yaml", b"")
    with pytest.raises(NotFoundError):
        resolve(known.registry, "7777")


def test_roles_that_nobody_has(shelf: Shelf) -> None:
    shelf.model("unjudged")
    with pytest.raises(UsageError, match="there is no champion yet"):
        resolve(shelf.registry, "champion")
    with pytest.raises(UsageError, match="there is no candidate"):
        resolve(shelf.registry, "candidate")


def test_the_candidate_is_the_newest_evaluated_model_that_is_not_champion(known: Shelf) -> None:
    known.model("newest", as_of="2024-02-09T00:00:00+00:00")
    known.model("newer", as_of="2024-02-08T00:00:00+00:00")
    for version in (*VERSIONS, "newer"):
        known.evaluated(version)
    assert resolve(known.registry, "candidate") == "newer"


def test_of_several_of_one_as_of_the_one_evaluated_last_is_candidate(known: Shelf) -> None:
    known.evaluated(VERSIONS[0], "2024-03-09T00:00:00Z")
    known.evaluated(VERSIONS[1], "2024-03-08T00:00:00Z")
    known.evaluated(VERSIONS[2], "2024-03-07T00:00:00Z")
    assert resolve(known.registry, "candidate") == VERSIONS[1]
    known.registry.store.put("runs/x/evaluate/result.json", b"{")
    with pytest.raises(IntegrityError, match="no result of a stage"):
        resolve(known.registry, "candidate")


def test_without_results_of_runs_one_is_candidate_all_the_same(known: Shelf) -> None:
    for version in VERSIONS:
        known.evaluated(version)
    assert resolve(known.registry, "candidate") in VERSIONS[1:]
