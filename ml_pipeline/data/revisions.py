"""Records that come again when more is known of them: which one of a key is the last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import MISSING, Category, Mask
from ml_pipeline.data.splits import hashes


def last_of_key(batches: Sequence[Sequence[Category]]) -> list[Mask]:
    """For each batch, True for rows whose key no later row has, or had.

    Args:
        batches: In the order in which the records became known. Of each its keys, and optionally the keys that a row
            had before, one a line. A row without a key is nobody's earlier record.

    >>> of = Category.of
    >>> last_of_key([[of(["a", "b"]), of([None, None])], [of(["a", "c"]), of([None, "b"])]])
    [array([False, False]), array([ True,  True])]
    """
    rows = [len(batch[0]) for batch in batches]
    starts = np.cumsum([0, *rows])
    own = [_hashed(batch[0]) for batch in batches]
    named = [_former(batch[1], start) for batch, start in zip(batches, starts, strict=False) if len(batch) > 1]
    everything = np.concatenate([*own, *(words for words, _ in named)])
    places = np.concatenate([np.arange(starts[-1]), *(at for _, at in named)])
    distinct, which = np.unique(everything, return_inverse=True)
    last = np.zeros(len(distinct), np.int64)
    np.maximum.at(last, which, places)
    current = last[which[: starts[-1]]] == np.arange(starts[-1])
    keyless = np.concatenate([batch[0].codes == MISSING for batch in batches])
    return np.split(current | keyless, starts[1:-1])


def _hashed(keys: Category) -> npt.NDArray[np.uint64]:
    return np.asarray(keys.map(hashes(keys.vocabulary), np.uint64(0)), np.uint64)


def _former(keys: Category, start: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Hashes of all keys that rows had before, and the place of each row among all."""
    pairs = [(word, row) for row, text in enumerate(keys.values()) if text for word in text.splitlines()]
    words = hashes([word for word, _ in pairs])
    return words, np.array([start + row for _, row in pairs], np.int64)
