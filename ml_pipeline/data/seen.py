"""Which row of a key is the first, over batches without end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Category, Mask
from ml_pipeline.data import arrow
from ml_pipeline.data.string_hash import string_hash

LONGEST = 1 << 24
"""Hashes in a run that is merged no more, so that a merge never needs more than 256 MB beside what is kept."""

Hashes = npt.NDArray[np.uint64]


class Seen:
    """Remembers keys by their hash, eight bytes each, to tell the first row of a key from the later ones.

    Hashes lie in sorted runs, each more than twice as long as the next (as in a log-structured merge tree), so a batch
    costs the same however many came before it, save the logarithm.
    """

    def __init__(self) -> None:
        self.runs: list[Hashes] = []

    def first(self, keys: Category) -> Mask:
        """True for rows whose key has not been seen before, here or in an earlier batch; missing keys are not."""
        words = arrow.words_of(keys)
        rows = arrow.first_rows(keys.codes, len(words))
        used = rows < len(keys)
        hashes, rows = string_hash(words)[used], rows[used]
        order = np.argsort(hashes)
        hashes, rows = hashes[order], rows[order]
        new = ~self._known(hashes)
        new[1:] &= hashes[1:] != hashes[:-1]
        self._add(hashes[new])
        mask = np.zeros(len(keys), np.bool_)
        mask[rows[new]] = True
        return mask

    def knows(self, keys: Category) -> Mask:
        """True for rows whose key has been seen before; missing keys are not."""
        known = self._known(string_hash(arrow.words_of(keys)))
        return np.asarray(keys.map(known, False), np.bool_)

    def _known(self, hashes: Hashes) -> Mask:
        known = np.zeros(len(hashes), np.bool_)
        for run in self.runs:
            at = np.searchsorted(run, hashes)
            known |= run[np.minimum(at, len(run) - 1)] == hashes
        return known

    def _add(self, run: Hashes) -> None:
        while self.runs and len(self.runs[-1]) <= 2 * len(run) and len(self.runs[-1]) < LONGEST:
            run = np.concatenate([self.runs.pop(), run])
            run.sort()
        if len(run):
            self.runs.append(run)
