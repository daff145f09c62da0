from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.columns import Category
from ml_pipeline.data.splits import PARTS, by_hash, by_time, hashes, is_test, share

DAY = np.timedelta64(1, "D")
LAST = np.datetime64("2013-08-31T12:00", "us")
PINNED = [3405396810240292928, 8453121595177857668, 13020603013274838756, 3976460501203677525]
PARTED = [1, 0, 2, 1, 0, 1, 0, 0, 1, 2, 0, 2]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=20), st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=40)
def test_by_time_test_is_the_last_stretch_and_validation_the_one_before(
    ages: list[int], validation: int, test: int
) -> None:
    part = by_time(LAST - np.array(ages) * DAY, LAST, validation * DAY, test * DAY)
    assert [PARTS[number] for number in part] == [
        "test" if age < test else "validation" if age < test + validation else "train" for age in ages
    ]


def test_hashes_are_the_same_on_every_machine() -> None:
    assert hashes(["a", "b", "", "ü"]).tolist() == PINNED
    assert hashes([]).tolist() == []


def test_by_hash_a_key_stays_on_its_side() -> None:
    """Pinned: were a hash to change, rows that once trained a model would judge its successor."""
    keys = Category.of([f"trip {number}" for number in range(12)])
    assert by_hash(keys, 0.25, 0.25).tolist() == PARTED


@given(st.permutations([f"k{number}" for number in range(8)]))
@settings(max_examples=20)
def test_by_hash_depends_on_the_key_alone(words: list[str]) -> None:
    part = dict(zip(words, by_hash(Category.of(list(words)), 0.3, 0.3).tolist(), strict=True))
    alone = {word: by_hash(Category.of(["other", word]), 0.3, 0.3)[1] for word in words}
    assert part == alone


@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.2), (0.0, 0.5), (0.5, 0.0)])
def test_by_hash_gives_the_shares_asked_for(validation: float, test: float) -> None:
    part = by_hash(Category.of([f"key {number}" for number in range(20_000)]), validation, test)
    shares = np.bincount(part, minlength=3) / len(part)
    np.testing.assert_allclose(shares, [1 - validation - test, validation, test], atol=0.012)


def test_a_larger_test_share_only_adds_to_the_test_rows() -> None:
    keys = Category.of([f"key {number}" for number in range(500)])
    small, large = by_hash(keys, 0.1, 0.2) == 2, by_hash(keys, 0.1, 0.4) == 2
    assert (large | ~small).all()


def test_a_missing_key_trains() -> None:
    assert by_hash(Category.of([None]), 0.5, 0.5).tolist() == [0]


def test_rows_judge_by_the_same_hash_whatever_chooses() -> None:
    keys = Category.of([f"key {number}" for number in range(500)])
    assert is_test(keys, share("20%")).tolist() == (by_hash(keys, 0.3, 0.2) == 2).tolist()
    assert share("12.5%") == 0.125
