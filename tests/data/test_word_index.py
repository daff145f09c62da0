from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.columns import Category
from ml_pipeline.data import word_index
from ml_pipeline.data.string_hash import string_hash
from ml_pipeline.data.word_index import WordIndex

WORDS = st.lists(st.none() | st.text("abü", max_size=3), max_size=20)


@pytest.mark.parametrize("few", [0, 64])
@pytest.mark.parametrize("bits", [0, 1, 64])
def test_words_are_found_or_not_whatever_they_hash_to(monkeypatch: pytest.MonkeyPatch, few: int, bits: int) -> None:
    """With hashes of one bit, nearly every word is found by the hash of another."""
    mask = np.uint64((1 << bits) - 1)
    monkeypatch.setattr(word_index, "string_hash", lambda words: string_hash(words) & mask)
    monkeypatch.setattr(word_index, "FEW", few)

    @settings(max_examples=60)
    @given(WORDS, WORDS)
    def compared(words: list[str | None], wanted: list[str | None]) -> None:
        known = Category.of(words)
        place = {word: at for at, word in enumerate(known.vocabulary)}
        found = WordIndex.of(known).find(Category.of(wanted))
        assert found.tolist() == [-1 if word is None else place.get(word, -1) for word in wanted]
        assert found.dtype == np.int32

    compared()


def test_a_word_alone_whose_hash_another_has_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_index, "string_hash", lambda words: np.zeros(len(words), np.uint64))
    monkeypatch.setattr(word_index, "FEW", 0)
    assert WordIndex.of(Category.of(["a"])).find(Category.of(["b", "a", None])).tolist() == [-1, 0, -1]
