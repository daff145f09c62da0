"""Predictions, and the truth that has become known of them since: each once, however often it was delivered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Category, Columns, Mask, concat, missing, take
from ml_pipeline.data import arrow
from ml_pipeline.data.string_hash import Hashes, string_hash

Days = npt.NDArray[np.datetime64]


class Predicted(NamedTuple):
    """What one model predicted: keys as hashes, the day each prediction is of, and the columns that the model named."""

    keys: Hashes
    days: Days
    columns: Columns

    @classmethod
    def once(cls, parts: Sequence[Predicted], moment: str) -> Predicted:
        """All parts; of a key that was predicted twice as of one moment, which a column says, the first."""
        keys = np.concatenate([own.keys for own in parts])
        columns = concat([own.columns for own in parts])
        moments = np.asarray(columns[moment], "datetime64[us]").view(np.int64)
        _, first = np.unique(np.stack([keys.view(np.int64), moments]), axis=1, return_index=True)
        return cls(keys, np.concatenate([own.days for own in parts]), columns).of(np.sort(first))

    def of(self, rows: Mask | npt.NDArray[np.intp]) -> Predicted:
        """Some of them."""
        return Predicted(self.keys[rows], self.days[rows], take(self.columns, rows))


class Truth(NamedTuple):
    """What has become known of keys: their hashes, sorted, and labels and columns to slice by.

    `others` are rows with a label of the time that was scored whose keys nobody predicted.
    """

    keys: Hashes
    rows: Columns
    others: int = 0

    @classmethod
    def first(cls, parts: Sequence[Truth]) -> Truth:
        """All parts; of each key the first row, as where rows are combined."""
        keys, first = np.unique(np.concatenate([own.keys for own in parts]), return_index=True)
        rows = take(concat([own.rows for own in parts]), first)
        return cls(keys, rows, sum(own.others for own in parts))

    @classmethod
    def among(cls, batch: Columns, key: str, label: str, wanted: Hashes, scored: Mask) -> Truth:
        """Of a batch the rows that have a label and whose key is wanted, in their order; `scored` are of the time that
        was scored."""
        keys, labelled = hashed(cast(Category, batch[key])), ~missing(batch[label])
        is_wanted = np.isin(keys, wanted)
        rows, others = is_wanted & labelled, int(np.sum(scored & labelled & ~is_wanted))
        return cls(keys[rows], take({name: column for name, column in batch.items() if name != key}, rows), others)

    def of(self, keys: Hashes) -> tuple[Mask, Columns]:
        """Which keys are known, and the rows of those that are."""
        if not len(self.keys):
            return np.zeros(len(keys), np.bool_), self.rows
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        known = np.asarray(self.keys[at] == keys)
        return known, take(self.rows, at[known])


def hashed(keys: Category) -> Hashes:
    """Eight bytes a key; 0 where it is missing."""
    return np.asarray(keys.map(string_hash(arrow.words_of(keys)), np.uint64(0)), np.uint64)
