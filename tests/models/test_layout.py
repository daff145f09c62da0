from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.columns import Category
from ml_pipeline.errors import FitError
from ml_pipeline.models.layout import Layout

X = {"z": Category.of(["q", "p"]), "block": np.zeros((2, 3)), "a": np.zeros(2)}


def test_numbers_and_blocks_come_before_words_each_by_name() -> None:
    layout = Layout.of(X, X)
    assert layout.dense == (("a", 0), ("block", 3))
    assert layout.words == (("z", ("p", "q")),)
    assert layout.spans() == {"a": slice(1, 2), "block": slice(2, 5), "z": slice(5, 7)}
    assert (layout.dense_size(), layout.size()) == (5, 7)


def test_a_vector_and_named_coefficients_are_the_same_thing() -> None:
    layout = Layout.of(X, X)
    named = {"a": 1.0, "block": [2.0, 3.0, 4.0], "z": {"p": 5.0, "q": 6.0}}
    vector = layout.vector(0.0, named)
    assert vector.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert layout.coefficients(vector) == named
    assert list(layout.coefficients(vector)) == ["a", "block", "z"]
    assert layout.vector(9.0, {}).tolist() == [9, 0, 0, 0, 0, 0, 0]


def test_two_batches_have_the_words_of_both() -> None:
    mine = Layout.of(X, X)
    both = mine | Layout.of({**X, "z": Category.of(["pp", "r"])}, X)
    assert both.words == (("z", ("p", "pp", "q", "r")),)
    assert mine.places(both).tolist() == [0, 1, 2, 3, 4, 5, 7]


def test_batches_of_different_columns_are_refused() -> None:
    with pytest.raises(FitError, match="do not have the same columns"):
        Layout.of(X, X) | Layout.of({**X, "block": np.zeros((2, 4))}, X)
