"""Let a linear model read: a category with any number of levels, as buckets."""

from __future__ import annotations

from typing import cast

import numpy as np

from ml_pipeline.columns import MISSING, Bag, Category, Column, Columns
from ml_pipeline.models import fnv
from ml_pipeline.models.encoder import Encoder
from ml_pipeline.templates import NO_PARAMETERS, Parameters


class HashedLevels(Encoder):
    """Each category becomes a bag of the same name with one place a row: the bucket of the row's level.

    The bucket is FNV-1a (32 bits) of the level's UTF-8, modulo `buckets`; `fnv.py` says what that is. Levels that share
    a bucket share a coefficient: of n levels, a share of about n / `buckets` / 2 meets an earlier one. A missing value
    gives an empty row. Learns nothing, so a level that training never saw has its bucket too. `Levels` is the better
    choice where the frequent levels are few enough to have names.
    """

    accepts = ("category",)
    gives = "bag"

    @classmethod
    def start(cls, *columns: str, buckets: int = 4096) -> Parameters:
        """`buckets`, at least 1: the width of the bag, best a few times the number of levels."""
        fnv.check_buckets(cls.__name__, buckets)
        return {"columns": list(columns), "buckets": buckets}

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> dict[str, Column | Bag]:
        chosen = cls.chosen(parameters, x).items()
        return {**x, **{name: _hashed(cast(Category, column), parameters["buckets"]) for name, column in chosen}}


def _hashed(column: Category, buckets: int) -> Bag:
    """Each word once, then row by row."""
    places = column.map_words(lambda words: fnv.buckets(fnv.hashes(words), buckets), np.int32(MISSING))
    return Bag.of(column.codes != MISSING, places[places != MISSING], buckets)
