"""Who was champion, and who was before."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.errors import UsageError
from ml_pipeline.lineage.history import before, reign, reigned
from tests.lineage.shelf import Shelf

Reigns = Callable[..., Shelf]
START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def test_the_champion_of_a_moment_is_named_with_its_entry(reigns: Reigns) -> None:
    shelf = reigns("a", "b", "<a")
    found = reign(shelf.registry, START + dt.timedelta(seconds=2))
    assert (found.champion, found.entry) == ("b", shelf.registry.promotions()[1])
    assert reign(shelf.registry, START + dt.timedelta(days=99)).entry.kind == "rollback"


def test_before_the_first_promotion_there_was_none(reigns: Reigns) -> None:
    with pytest.raises(UsageError, match="there was no champion then") as caught:
        reign(reigns("a").registry, START)
    assert caught.value.given == "2024-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("a", ""),
        ("a b", "a"),
        ("a b <a", ""),
        ("a b c <b", "a"),
        ("a b c <b <a", ""),
        ("a b <a c", "a"),
        ("a b <a c <a", ""),
        ("a b a c <a", "b"),
        ("a b a <b <a", ""),
    ],
)
def test_going_back_twice_goes_back_two(reigns: Reigns, words: str, expected: str) -> None:
    registry = reigns(*words.split()).registry
    last = registry.last_promotion()
    assert last
    assert before(registry, last) == expected


@given(st.lists(st.sampled_from(["a", "b", "c", "back"]), min_size=1, max_size=12))
def test_going_back_undoes_promotions_in_turn(acts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shelf, stack, log = Shelf(Path(folder)), list[str](), list[tuple[str, str]]()
        for version in "abc":
            shelf.model(version)
        for act in acts:
            if act != "back" and stack[-1:] != [act]:
                stack.append(act)
                log.append(("promote", act))
            elif act == "back" and len(stack) > 1:
                stack.pop()
                log.append(("rollback", stack[-1]))
        shelf.log(*log)
        last = shelf.registry.last_promotion()
        if last:
            assert before(shelf.registry, last) == (stack[-2] if len(stack) > 1 else "")


def test_whoever_was_champion_is_remembered(reigns: Reigns) -> None:
    registry = reigns("a", "b").registry
    last = registry.last_promotion()
    assert last
    assert [reigned(registry, last, version) for version in "abc"] == [True, True, False]
