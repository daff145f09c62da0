from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.columns import Category, take
from ml_pipeline.data import seen as seen_module
from ml_pipeline.data.arrow import to_columns, to_table
from ml_pipeline.data.seen import Seen


@settings(max_examples=60)
@given(st.lists(st.lists(st.none() | st.sampled_from("abcdef"), max_size=8), max_size=5))
def test_seen_tells_the_first_row_of_a_key_from_the_later_ones(batches: list[list[str | None]]) -> None:
    seen, before = Seen(), set()
    for words in batches:
        expected = []
        for word in words:
            expected.append(word is not None and word not in before)
            before.add(word)
        assert seen.first(Category.of(words)).tolist() == expected


@pytest.mark.parametrize("longest", [1, 64, 1 << 24])
def test_many_batches_keep_eight_bytes_a_key_in_few_runs(monkeypatch: pytest.MonkeyPatch, longest: int) -> None:
    monkeypatch.setattr(seen_module, "LONGEST", longest)
    chance = np.random.default_rng(3)
    numbers = chance.integers(0, 4000, (300, 20))
    seen, before = Seen(), set()
    for batch in numbers.tolist():
        new = seen.first(Category.of([f"key {number}" for number in batch]))
        assert new.tolist() == [number not in before and not before.add(number) for number in batch]  # type: ignore[func-returns-value]
    assert sum(len(run) for run in seen.runs) == len(before)
    assert all((run[1:] > run[:-1]).all() for run in seen.runs)
    if longest > 4000:
        assert len(seen.runs) <= 12


def test_words_that_no_row_has_are_not_seen() -> None:
    seen = Seen()
    whole = to_columns(to_table({"k": Category.of(["a", "b", "c"])}))
    assert seen.first(take(whole, slice(1, 2))["k"]).tolist() == [True]  # type: ignore[arg-type]
    assert seen.first(whole["k"]).tolist() == [True, False, True]  # type: ignore[arg-type]


def test_looking_whether_a_key_was_seen_does_not_see_it() -> None:
    seen = Seen()
    assert seen.knows(Category.of(["a", None])).tolist() == [False, False]
    seen.first(Category.of(["b", "c"]))
    for _ in range(2):
        assert seen.knows(Category.of(["a", "b", None, "b"])).tolist() == [False, True, False, True]
    assert seen.knows(Category.of([])).tolist() == []
