from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.columns import Category
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
