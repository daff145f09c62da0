from __future__ import annotations

import pytest

from ml_pipeline.models import ngrams
from ml_pipeline.models.ngrams import Words, chunks


def spelt(words: Words, longest: int) -> list[tuple[int, str]]:
    grams = enumerate(words.grams(longest), start=1)
    return [(int(words.text[word]), words.phrase(word, n)) for n, (first, _) in grams for word in first.tolist()]


def test_words_are_ascii_letters_and_digits_and_all_beyond_ascii() -> None:
    words = Words.of([b"It's 10mg/kg (QID)_x", "ÄRGER—naïve\u00a0Straße".encode(), b"\0 \t\n.", b""])
    assert [phrase for _, phrase in spelt(words, 1)] == [
        "it", "s", "10mg", "kg", "qid", "x", "Ärger—naïve\u00a0straße",
    ]  # fmt: skip
    assert words.text.tolist() == [0] * 6 + [1]
    assert words.texts == 4


def test_an_ngram_does_not_reach_into_the_next_text() -> None:
    found = spelt(Words.of([b"a b c", b"d", b"", b"e f"]), 3)
    assert found == [
        (0, "a"), (0, "b"), (0, "c"), (1, "d"), (3, "e"), (3, "f"),
        (0, "a b"), (0, "b c"), (3, "e f"),
        (0, "a b c"),
    ]  # fmt: skip


def test_an_ngram_does_not_reach_into_the_next_line() -> None:
    found = spelt(Words.of([b"* a b\n* c\n\nd e", b"f"]), 2)
    assert [phrase for _, phrase in found] == ["a", "b", "c", "d", "e", "f", "a b", "d e"]


def spelt_in_chunks(texts: list[str]) -> list[tuple[int, str]]:
    return [(start + text, phrase) for start, words in chunks(texts) for text, phrase in spelt(words, 2)]


def test_many_texts_are_taken_apart_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [" ".join(["a", "bb", "ccc"][: size % 4]) for size in range(50)]
    whole = spelt_in_chunks(texts)
    monkeypatch.setattr(ngrams, "CHUNK", 20)
    assert len(list(chunks(texts))) > 5
    assert sum(words.texts for _, words in chunks(texts)) == 50
    assert sorted(spelt_in_chunks(texts)) == sorted(whole)


def test_no_text_has_no_chunk_and_an_empty_one_no_words() -> None:
    assert list(chunks([])) == []
    [(start, words)] = chunks([""])
    assert (start, words.texts, len(words.text)) == (0, 1, 0)
    assert [len(first) for first, _ in words.grams(2)] == [0, 0]
