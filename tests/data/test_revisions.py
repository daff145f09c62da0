from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.columns import Category
from ml_pipeline.data.revisions import last_of_key

KEYS = st.lists(st.lists(st.sampled_from([None, "a", "b", "c", "d"]), max_size=6), min_size=1, max_size=4)


def batches(keys: list[list[str | None]]) -> list[list[Category]]:
    return [[Category.of(own)] for own in keys]


def test_the_last_record_of_a_key_is_the_one_that_counts() -> None:
    first, second = last_of_key(batches([["a", "b", "a"], ["b", "c"]]))
    assert first.tolist() == [False, False, True]
    assert second.tolist() == [True, True]


def test_a_record_that_changed_its_key_takes_the_place_of_the_one_before() -> None:
    old = [Category.of(["a", "b"]), Category.of([None, None])]
    new = [Category.of(["x", "y"]), Category.of(["a\nz", None])]
    first, second = last_of_key([old, new])
    assert first.tolist() == [False, True]
    assert second.tolist() == [True, True]


def test_a_key_that_comes_back_counts_again() -> None:
    first, second = last_of_key([[Category.of(["x"]), Category.of(["a"])], [Category.of(["a"]), Category.of([None])]])
    assert (first.tolist(), second.tolist()) == ([True], [True])


@given(KEYS)
def test_of_every_key_one_record_is_left_and_all_without_a_key(keys: list[list[str | None]]) -> None:
    masks = last_of_key(batches(keys))
    assert [len(mask) for mask in masks] == [len(own) for own in keys]
    flat = [
        (key, bool(kept)) for own, mask in zip(keys, masks, strict=True) for key, kept in zip(own, mask, strict=True)
    ]
    assert all(kept for key, kept in flat if key is None)
    for key in {key for key, _ in flat if key}:
        assert [kept for own, kept in flat if own == key][-1]
        assert sum(kept for own, kept in flat if own == key) == 1


def test_no_batches_are_no_masks() -> None:
    (mask,) = last_of_key([[Category(np.zeros(0, np.int32), ())]])
    assert mask.tolist() == []
