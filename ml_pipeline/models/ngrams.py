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
from ml_pipeline.models.fnv import Hashes, Positions, Strings

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
    """The words of so many texts, in order, and the text and the line that each is of."""

    strings: Strings
    text: Positions
    line: Positions
    texts: int

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Words:
        """Take UTF-8 apart."""
        raw = np.frombuffer(b"\n".join([*texts, b""]), np.uint8)
        data = LOWER[raw]
        starts, stops = np.flatnonzero(np.diff(data != 0, prepend=False, append=False)).reshape(-1, 2).T
        ends = np.cumsum([len(text) + 1 for text in texts])
        before = np.searchsorted(starts, np.append(0, ends))
        line = np.searchsorted(np.flatnonzero(raw == LINE_BREAK), starts)
        text = np.repeat(np.arange(len(texts)), np.diff(before))
        return cls(Strings(data, starts, stops), text, line, len(texts))

    def grams(self, longest: int) -> Iterator[tuple[Positions, Hashes]]:
        """For n from 1 to `longest` the first word of every n-gram, and the n-gram's hash."""
        data, starts, stops = self.strings
        first, hashes = np.arange(len(self.text)), fnv.begin(len(self.text))
        for more in range(longest):
            last = first + more
            hashes = fnv.with_strings(hashes, Strings(data, starts[last], stops[last]))
            yield first, hashes
            inside = np.append(self.line, -1)[last + 1] == self.line[first]
            first, hashes = first[inside], fnv.with_byte(hashes[inside], ord(" "))

    def phrase(self, first: int, count: int) -> str:
        """An n-gram in words."""
        data, starts, stops = self.strings
        ends = zip(starts[first : first + count].tolist(), stops[first : first + count].tolist(), strict=True)
        return b" ".join(data[start:stop].tobytes() for start, stop in ends).decode("utf-8", "replace")


def chunks(texts: Sequence[str]) -> Iterator[tuple[int, Words]]:
    """The words of all texts, some texts at a time, each time with the place of the first of them."""
    start, held, size = 0, list[bytes](), 0
    for place, text in enumerate(texts):
        # A lone surrogate, which no UTF-8 has, must not keep a whole batch from its scores.
        held.append(text.encode("utf-8", "surrogatepass"))
        size += len(held[-1])
        if size >= CHUNK:
            yield start, Words.of(held)
            start, held, size = place + 1, [], 0
    if held:
        yield start, Words.of(held)
