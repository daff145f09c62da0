from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.columns import Category, take
from ml_pipeline.errors import ChainError
from ml_pipeline.models import Levels
from ml_pipeline.models.levels import OTHER


def test_frequent_levels_stay_and_all_else_is_other() -> None:
    train = {"carrier": Category.of(["UA", "AA", "UA", "AA", "HA", None, None, None])}
    parameters = Levels.fit(Levels("carrier", rare=2).parameters, train, np.zeros(8))
    assert parameters["levels"] == {"carrier": {"AA": 0, "UA": 1, OTHER: 2}}
    new = Levels.transform({"carrier": Category.of(["HA", "??", None, "UA", "AA"])}, parameters)["carrier"]
    assert new.vocabulary == ("AA", "UA", OTHER)
    assert new.values() == [OTHER, OTHER, OTHER, "UA", "AA"]
    assert new.codes.dtype == np.int32


def test_a_word_that_is_called_other_is_other() -> None:
    train = {"c": Category.of([OTHER] * 9 + ["a"] * 9)}
    parameters = Levels.fit(Levels("c", rare=2).parameters, train, np.zeros(18))
    assert Levels.transform(train, parameters)["c"].values() == train["c"].values()


def test_batches_with_other_vocabularies_count_together() -> None:
    start = Levels("c", rare=3).parameters
    a, b = Category.of(["x", "y", "x"]), Category.of(["y", "x", "z"])
    sums = Levels.merge(
        Levels.accumulate(start, {"c": a}, np.zeros(3)), Levels.accumulate(start, {"c": b}, np.zeros(3))
    )
    assert sums == {"c": {"x": 3, "y": 2, "z": 1}}
    assert Levels.update(start, sums)["levels"] == {"c": {"x": 0, OTHER: 1}}


def test_no_names_mean_all_categories_and_numbers_are_refused() -> None:
    x = {"n": np.zeros(2), "c": Category.of(["a", "b"])}
    assert list(Levels.fit(Levels().parameters, x, np.zeros(2))["levels"]) == ["c"]
    with pytest.raises(ChainError, match="Levels cannot work on the column 'n'"):
        Levels.outputs(Levels("n").parameters, {"n": "number"})


COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 9)).map(lambda counts: {"c": counts})


@given(COUNTS, COUNTS, COUNTS)
def test_counts_are_added_in_any_grouping(a: dict, b: dict, c: dict) -> None:
    assert Levels.merge(Levels.merge(a, b), c) == Levels.merge(a, Levels.merge(b, c))
    assert Levels.merge(a, b) == {"c": dict(Counter(a["c"]) + Counter(b["c"]))}
    assert Levels.merge(None, a) == Levels.merge(a, None) == a


def test_few_rows_of_a_long_vocabulary_are_recoded_alike() -> None:
    words = [*map(str, range(40)), None]
    x = {"c": Category.of(words)}
    parameters = Levels.fit(Levels("c", rare=1).parameters, x, np.zeros(41))
    few = Levels.transform(take(x, np.array([40, 3, 39])), parameters)["c"]
    assert few.values() == [OTHER, "3", "39"]
    assert few.codes.dtype == np.int32
