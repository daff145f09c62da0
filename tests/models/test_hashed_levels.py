from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, take
from ml_pipeline.errors import ChainError
from ml_pipeline.models import HashedLevels, Levels, LogisticRegression
from ml_pipeline.models.fnv import hashes

WORDS = st.lists(st.none() | st.text(max_size=4), max_size=90)


@settings(max_examples=80, deadline=None)
@given(WORDS, st.sampled_from([1, 3, 4096, 2**18, 2**31]))
def test_each_row_holds_the_bucket_of_its_level_and_none_where_it_is_missing(
    words: list[str | None], buckets: int
) -> None:
    bag = HashedLevels.transform({"c": Category.of(words)}, HashedLevels("c", buckets=buckets).parameters)["c"]
    assert (bag.width, bag.words, bag.places.dtype) == (buckets, (), np.int32)
    assert bag.sizes().tolist() == [int(word is not None) for word in words]
    assert bag.places.tolist() == [int(hashes([word])[0]) % buckets for word in words if word is not None]


def test_few_rows_of_many_levels_are_the_same_rows() -> None:
    x = {"c": Category.of([str(number) for number in range(500)] + [None])}
    parameters = HashedLevels("c", buckets=64).parameters
    whole = HashedLevels.transform(x, parameters)["c"]
    few = HashedLevels.transform(take(x, np.array([7, 500, 7, 499])), parameters)["c"]
    assert few.sizes().tolist() == [1, 0, 1, 1]
    assert few.places.tolist() == whole.places[[7, 7, 499]].tolist()


def test_without_shared_buckets_the_fit_is_that_of_the_levels() -> None:
    class Named(Chain):
        features = (Levels("c", rare=1),)
        estimator = LogisticRegression()

    class Hashed(Chain):
        features = (HashedLevels("c", buckets=97),)
        estimator = LogisticRegression()

    chance = np.random.default_rng(1)
    words = tuple("abcdefgh")
    assert len(set((hashes(words) % 97).tolist())) == len(words)
    x = {"c": Category(chance.integers(0, 8, 900).astype(np.int32), words)}
    y = (chance.random(900) < 0.1 * (1 + x["c"].codes)).astype(np.float64)
    one, other = (model.transform(x, model.fit(model().parameters, x, y)) for model in (Named, Hashed))
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_it_learns_nothing_and_refuses_nonsense() -> None:
    parameters = HashedLevels("c", buckets=8).parameters
    assert parameters == {"columns": ["c"], "buckets": 8}
    assert HashedLevels.fitted(parameters)
    assert HashedLevels.outputs(parameters, {"c": "category", "n": "number"}) == {"c": "bag", "n": "number"}
    with pytest.raises(ChainError, match="HashedLevels cannot work on the column 'n'"):
        HashedLevels.outputs(HashedLevels("n").parameters, {"n": "number"})
    with pytest.raises(ChainError, match="HashedLevels cannot work with so few or so many buckets"):
        HashedLevels("c", buckets=0)
