"""Let a linear model read: the words of a text as places of a bag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Bag, Category, Column, Columns
from ml_pipeline.errors import ChainError
from ml_pipeline.models import fnv
from ml_pipeline.models.encoder import Encoder
from ml_pipeline.models.ngrams import Words, chunks
from ml_pipeline.templates import NO_PARAMETERS, Parameters

Keys: TypeAlias = npt.NDArray[np.int64]


class HashedText(Encoder):
    """Each text becomes a bag of the same name: the buckets of its n-grams of 1 to `ngrams` words, each bucket once.

    The bucket of an n-gram is FNV-1a (32 bits) of its UTF-8, modulo `buckets`; `ngrams.py` says what words are,
    `fnv.py` what the hash is. A missing text and one without words give an empty row. Learns nothing.
    """

    accepts = ("category",)
    gives = "bag"

    @classmethod
    def start(cls, *columns: str, buckets: int = 1024, ngrams: int = 2) -> Parameters:
        """`buckets`, at least 1, the width of the bag; `ngrams`, at least 1, the words of the longest n-gram."""
        fnv.check_buckets(cls.__name__, buckets)
        if ngrams < 1:
            raise ChainError(
                "HashedText cannot make n-grams of so few words",
                given=f"ngrams={ngrams}",
                expected="at least 1",
                do="use the default, n-grams of up to 2 words",
            )
        return {"columns": list(columns), "buckets": buckets, "ngrams": ngrams}

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> dict[str, Column | Bag]:
        chosen = cls.chosen(parameters, x).items()
        return {**x, **{name: _hashed(cast(Category, column), parameters) for name, column in chosen}}

    @classmethod
    def phrases(cls, parameters: Parameters, texts: Category, places: npt.NDArray[np.integer[Any]]) -> list[str]:
        """The n-gram behind a bucket: one of `places` for each of `texts`, whose bag holds it.

        It is the first n-gram of the text that fell into the bucket, the longest of those that start with one word.
        """
        buckets, ngrams = parameters["buckets"], parameters["ngrams"]
        words, text = texts.distinct()
        wanted, back = np.unique(text * buckets + places, return_inverse=True)
        found: list[str] = []
        for start, some in chunks(words):
            here = wanted - start * buckets
            found += _phrases(some, here[(here >= 0) & (here < some.texts * buckets)], buckets, ngrams)
        return [found[each] for each in back.tolist()]


def _hashed(column: Category, parameters: Parameters) -> Bag:
    """Each distinct text once, then row by row."""
    buckets = parameters["buckets"]
    texts, place = column.distinct()
    sizes, places = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for _, words in chunks(texts):
        keys = _distinct(np.concatenate([keys for _, keys in _grams(words, buckets, parameters["ngrams"])]))
        sizes.append(np.bincount(keys // buckets, minlength=words.texts))
        places.append((keys % buckets).astype(np.int32))
    return Bag.of(np.concatenate(sizes), np.concatenate(places), buckets)[place]


def _grams(words: Words, buckets: int, ngrams: int) -> Iterator[tuple[Keys, Keys]]:
    """For each n the first word of every n-gram, and a key that tells text and bucket: text * buckets + bucket."""
    for first, hashes in words.grams(ngrams):
        yield first, words.text[first] * buckets + fnv.buckets(hashes, buckets)


def _distinct(keys: Keys) -> npt.NDArray[np.integer[Any]]:
    """Each once, ascending."""
    # Half the bits are sorted in half the time.
    ordered = np.sort(keys.astype(np.uint32) if keys.max(initial=0) < 1 << 32 else keys)
    first = np.ones(len(ordered), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return np.asarray(ordered[first])


def _phrases(words: Words, wanted: Keys, buckets: int, ngrams: int) -> list[str]:
    """The n-gram behind each of the wanted keys, which are ascending."""
    first_of = np.full(len(wanted), np.iinfo(np.int64).max)
    for n, (first, keys) in enumerate(_grams(words, buckets, ngrams), start=1):
        place = np.searchsorted(wanted, keys)
        asked = np.append(wanted, -1)[place] == keys
        # In one number: the first word, then how much shorter it is than the longest, so the least is the one to name.
        np.minimum.at(first_of, place[asked], first[asked] * ngrams + ngrams - n)
    return [words.phrase(rank // ngrams, ngrams - rank % ngrams) for rank in first_of.tolist()]
