from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.columns import Bag, Category
from ml_pipeline.errors import FitError
from ml_pipeline.models.layout import ClassLayout, Layout

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
    vector = layout.vector({"coefficients": named})
    assert vector.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert layout.named(vector) == {"bias": 0.0, "coefficients": named}
    assert list(layout.named(vector)["coefficients"]) == ["a", "block", "z"]
    assert layout.vector({"bias": 9.0}).tolist() == [9, 0, 0, 0, 0, 0, 0]


def test_two_batches_have_the_words_of_both() -> None:
    mine = Layout.of(X, X)
    both = mine | Layout.of({**X, "z": Category.of(["pp", "r"])}, X)
    assert both.words == (("z", ("p", "pp", "q", "r")),)
    assert mine.places(both).tolist() == [0, 1, 2, 3, 4, 5, 7]


def test_bags_lie_between_numbers_and_words_and_keep_their_names() -> None:
    x = {**X, "text": Bag.of([1, 2], [0, 0, 1], 2), "tags": Bag.of([0, 1], [1], 3, ("u", "v", "w"))}
    layout = Layout.of(x, x)
    assert layout.bags == (("tags", 3, ("u", "v", "w")), ("text", 2, ()))
    assert layout.spans()["tags"] == slice(5, 8)
    assert layout.spans()["z"] == slice(10, 12)
    assert (layout.dense_size(), layout.fixed_size(), layout.size()) == (5, 10, 12)
    vector = np.arange(12.0)
    named = layout.named(vector)["coefficients"]
    assert named["tags"] == {"u": 5.0, "v": 6.0, "w": 7.0}
    assert named["text"].tolist() == [8.0, 9.0]
    assert layout.vector({"coefficients": named}).tolist() == vector.tolist()
    other = {**named, "text": [8.0, 9.0], "tags": {"w": 7.0}}
    assert layout.vector({"coefficients": other})[5:8].tolist() == [0.0, 0.0, 7.0]
    wider = layout | Layout.of({**x, "z": Category.of(["o", "q"])}, x)
    assert layout.places(wider).tolist() == [*range(10), 11, 12]
    with pytest.raises(FitError, match=r"Given: a \(1 wide\), block \(3 wide\), tags \(3 wide\), text \(9 wide\), z"):
        layout | Layout.of({**x, "text": Bag.of([0, 0], [], 9)}, x)


def test_batches_of_different_columns_are_refused() -> None:
    with pytest.raises(FitError, match="do not have the same columns"):
        Layout.of(X, X) | Layout.of({**X, "block": np.zeros((2, 4))}, X)


def test_arrays_go_into_a_wider_layout_by_word() -> None:
    layout, wider = Layout.of(X, X), Layout.of({**X, "z": Category.of(["r", "o"])}, X)
    vector = np.arange(7.0)
    arrays = layout.arrays(vector)
    assert {name: own.tolist() for name, own in arrays["coefficients"].items()} == {
        "a": [1.0], "block": [2.0, 3.0, 4.0], "z": [5.0, 6.0],
    }  # fmt: skip
    known = layout.named(vector)["coefficients"]
    whole = wider.including(known)
    assert whole.words == (("z", ("o", "p", "q", "r")),)
    assert whole.vector_of_arrays(arrays, known).tolist() == [0, 1, 2, 3, 4, 0, 5, 6, 0]


def test_those_of_several_classes_too() -> None:
    layout = ClassLayout.of_classes(Layout.of(X, X), ("low", "high"))
    vector = np.arange(14.0)
    arrays, known = layout.arrays(vector), layout.named(vector)["coefficients"]
    assert arrays["bias"] == {"low": 0.0, "high": 1.0}
    assert layout.vector_of_arrays(arrays, known).tolist() == vector.tolist()
    wider = ClassLayout.of_classes(Layout.of({**X, "z": Category.of(["r"])}, X), layout.classes).including(known)
    assert wider.words == (("z", ("p", "q", "r")),)
    assert wider.vector_of_arrays(arrays, known).tolist() == [*vector.tolist(), 0, 0]
