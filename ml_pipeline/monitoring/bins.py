"""The rows of two profiles in the same bins, those of the reference."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.data.number_profile import NumberProfile
from ml_pipeline.data.word_profile import WordProfile

DECILES = np.arange(1, 10) / 10.0
WORDS = 20
"""The most frequent words of the reference, each a bin of its own; all others are one."""


class Bins(NamedTuple):
    """Names of bins, and the share of the rows of reference and current in each; each sums to 1."""

    names: list[str]
    reference: Floats
    current: Floats

    @classmethod
    def of_numbers(cls, reference: NumberProfile, current: NumberProfile) -> Bins:
        """Between the deciles of the reference, several of which may be one value, a bin of its own; and missing."""
        deciles, times = np.unique(reference.quantiles(DECILES), return_counts=True)
        alone = times > 1
        edges = np.unique(np.concatenate([deciles, np.nextafter(deciles[alone], -np.inf)]))
        own = set(deciles[alone].tolist())
        names = [
            _named(low, high, own) for low, high in zip([None, *edges.tolist()], [*edges.tolist(), None], strict=True)
        ]
        shares = [
            _with_missing(np.diff(each.up_to(edges), prepend=0.0, append=1.0), each) for each in (reference, current)
        ]
        return cls([*names, "missing"], *shares)

    @classmethod
    def of_words(cls, reference: WordProfile, current: WordProfile) -> Bins:
        """The frequent words of the reference, all others, and missing ones."""
        words = list(reference.frequent.words())[:WORDS]
        shares = []
        for each in (reference, current):
            counts = each.frequent.words()
            own = np.array([counts.get(word, 0) for word in words], np.float64)
            shares.append(_with_missing(np.append(own, max(each.counted - own.sum(), 0.0)) / each.counted, each))
        return cls([*words, "other words", "missing"], *shares)

    def largest(self) -> str:
        """In words, the bin whose share changed most."""
        place = int(np.argmax(np.abs(self.current - self.reference)))
        return f"{self.names[place]} from {self.reference[place]:.1%} to {self.current[place]:.1%} of the rows"


def _with_missing(known: Floats, profile: NumberProfile | WordProfile) -> Floats:
    missing = profile.missing / profile.rows
    return np.append(known * (1.0 - missing), missing)


def _named(low: float | None, high: float | None, own: set[float]) -> str:
    """`own` are values that are a bin of themselves; the edge before one is the number next to it."""
    if high in own:
        return f"{high:.6g}"
    if high is None:
        return f"above {low:.6g}"
    end = float(np.nextafter(high, np.inf)) + 0.0
    until = f"below {end:.6g}" if end in own else f"{high:.6g}"
    if low is None:
        return until if end in own else f"up to {until}"
    return f"{low:.6g} to {until}"
