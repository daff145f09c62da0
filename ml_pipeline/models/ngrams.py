"""The words of texts, and the hashes of their n-grams.

A word is a run of ASCII letters and digits and of all characters beyond ASCII; ASCII letters count as lower case. An
n-gram is n words that follow each other in a line of a text, joined by one space, in UTF-8.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ml_pipeline.models import fnv
from ml_pipeline.models.fnv import Bytes, Hashes, Positions

CHUNK = 1 << 20
"""Bytes of text taken apart together, so that what lies between stays small; a longer text is a chunk of its own."""
LINE_BREAK = ord("\n")
_BYTES = bytes(range(256))
_KEPT = (string.ascii_letters + string.digits).encode() + _BYTES[128:]
LOWER = np.frombuffer(bytes(byte if byte in _KEPT else 0 for byte in _BYTES).lower(), np.uint8)
"""Each byte as it is within a word, 0 for what parts words. In UTF-8 every byte of a character beyond ASCII is 128
or more."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The words of so many texts, in order: word i is `data[starts[i]:stops[i]]`, of `text[i]`, in `line[i]` of all."""

    data: Bytes
    starts: Positions
    stops: Positions
    text: Positions
    line: Positions
    texts: int

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Words:
        """Take UTF-8 apart."""
        raw = np.frombuffer(b"\n".join([*texts, b""]), np.uint8)
        data = LOWER[raw]
        starts, stops = np.flatnonzero(np.diff(data != 0, prepend=False, append=False)).reshape(-1, 2).T
        text = _part(starts, np.cumsum([len(text) + 1 for text in texts]))
        return cls(data, starts, stops, text, _part(starts, np.flatnonzero(raw == LINE_BREAK)), len(texts))

    def grams(self, longest: int) -> Iterator[tuple[Positions, Hashes]]:
        """For n from 1 to `longest` the first word of every n-gram, and the n-gram's hash."""
        words = fnv.Strings.of(self.data, self.starts, self.stops)
        # Of each word: the hash of the n-gram that it ends, if that is one: all of its words are in one line.
        hashes = words.behind(fnv.begin(len(self.text)))
        yield np.arange(len(hashes)), hashes
        for more in range(1, longest):
            is_end = np.zeros(len(hashes), np.bool_)
            is_end[more:] = self.line[more:] == self.line[: max(len(self.line) - more, 0)]
            hashes[1:] = fnv.with_byte(hashes[:-1], ord(" "))
            hashes = words.behind(hashes, is_end)
            yield np.flatnonzero(is_end) - more, hashes[is_end]

    def phrase(self, first: int, count: int) -> str:
        """An n-gram in words."""
        ends = zip(self.starts[first : first + count].tolist(), self.stops[first : first + count].tolist(), strict=True)
        return b" ".join(self.data[start:stop].tobytes() for start, stop in ends).decode("utf-8", "replace")


def _part(starts: Positions, ends: Positions) -> Positions:
    """Which part each word is in, of those that end before `ends`."""
    before = np.searchsorted(starts, ends)
    return np.repeat(np.arange(len(ends)), np.diff(before, prepend=0))


def chunks(texts: Sequence[str]) -> Iterator[tuple[int, Words]]:
    """The words of all texts, some texts at a time, each time with the place of the first of them."""
    start, held, size = 0, list[bytes](), 0
    for place, text in enumerate(texts):
        held.append(fnv.utf8(text))
        size += len(held[-1])
        if size >= CHUNK:
            yield start, Words.of(held)
            start, held, size = place + 1, [], 0
    if held:
        yield start, Words.of(held)
