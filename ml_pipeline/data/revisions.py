"""Records that come again when more is known of them: which one of a key is the last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import MISSING, Category, Mask
from ml_pipeline.data import arrow
from ml_pipeline.data.string_hash import Hashes, string_hash


def last_of_key(batches: Iterable[Sequence[Category]]) -> list[Mask]:
    """For each batch, True for rows whose key no later row has, or had.

    Args:
        batches: In the order in which the records became known; one is held at a time, and of its keys their hashes.
            Of each its keys, and optionally the keys that a row had before, one a line. A row without a key is
            nobody's earlier record.

    >>> of = Category.of
    >>> last_of_key([[of(["a", "b"]), of([None, None])], [of(["a", "c"]), of([None, "b"])]])
    [array([False, False]), array([ True,  True])]
    """
    own, keyless, named, start = [], [], [], 0
    for keys, *former in batches:
        own.append(_hashed(keys))
        keyless.append(keys.codes == MISSING)
        named += [_former(category, start) for category in former]
        start += len(keys)
    if not own:
        return []
    everything = np.concatenate([*own, *(words for words, _ in named)])
    places = np.concatenate([np.arange(start), *(at for _, at in named)])
    distinct, which = np.unique(everything, return_inverse=True)
    last = np.zeros(len(distinct), np.int64)
    np.maximum.at(last, which, places)
    current = last[which[:start]] == np.arange(start)
    return np.split(current | np.concatenate(keyless), np.cumsum([len(keys) for keys in own])[:-1])


def _hashed(keys: Category) -> Hashes:
    return np.asarray(keys.map(string_hash(arrow.words_of(keys)), np.uint64(0)), np.uint64)


def _former(keys: Category, start: int) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Hashes of all keys that rows had before, and the place of each row among all."""
    pairs = [(word, row) for row, text in enumerate(keys.values()) if text for word in text.splitlines()]
    words = Category.of([word for word, _ in pairs])
    return _hashed(words), np.array([start + row for _, row in pairs], np.int64)
