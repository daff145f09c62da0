"""Predictions and truth meet by key, each once, in whatever order and however often they come."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.columns import Category, Columns
from ml_pipeline.monitoring.truth import Predicted, Truth, hashed

NONE: Columns = {"label": np.zeros(0)}
KEYS = st.lists(st.sampled_from("abcdefgh"), max_size=12)


def truth(keys: list[str], labels: list[float]) -> Truth:
    """As a batch delivers it."""
    return Truth(hashed(Category.of(keys)), {"label": np.array(labels, np.float64)})


@given(delivered=st.lists(KEYS, min_size=1, max_size=4), asked=KEYS)
def test_each_key_has_the_label_that_came_first(delivered: list[list[str]], asked: list[str]) -> None:
    numbers = iter(range(1000))
    parts = [[(key, float(next(numbers))) for key in keys] for keys in delivered]
    expected: dict[str, float] = {}
    for key, label in (pair for part in parts for pair in part):
        expected.setdefault(key, label)
    joined = Truth.first([truth([key for key, _ in part], [label for _, label in part]) for part in parts])
    known, rows = joined.of(hashed(Category.of(asked)))
    assert known.tolist() == [key in expected for key in asked]
    assert np.asarray(rows["label"]).tolist() == [expected[key] for key in asked if key in expected]


def test_only_what_is_wanted_and_has_a_label_is_kept() -> None:
    batch = {"key": Category.of(["a", "b", None, "c"]), "label": np.array([1.0, np.nan, 1.0, 0.0])}
    scored = np.array([True, True, True, False])
    found = Truth.among(batch, "key", "label", hashed(Category.of(["a", "b", "d"])), scored)
    assert np.asarray(found.rows["label"]).tolist() == [1.0]
    assert found.keys.tolist() == hashed(Category.of(["a"])).tolist()


def test_labels_of_keys_that_nobody_predicted_are_counted_if_they_are_of_the_time_that_was_scored() -> None:
    batch = {"key": Category.of(["a", "x", "y", "z"]), "label": np.array([1.0, 0.0, np.nan, 1.0])}
    parts = [Truth.among(batch, "key", "label", hashed(Category.of(["a"])), np.array(scored))
             for scored in ([True] * 4, [False] * 4)]  # fmt: skip
    assert [own.others for own in parts] == [2, 0]
    assert Truth.first(parts).others == 2


def test_nothing_is_known_of_nothing() -> None:
    known, rows = Truth(np.zeros(0, np.uint64), NONE).of(hashed(Category.of(["a"])))
    assert known.tolist() == [False]
    assert len(np.asarray(rows["label"])) == 0


def predicted(keys: list[str], minutes: list[int]) -> Predicted:
    """As of some minutes, the place of each as its prediction."""
    moments = np.array(minutes, "datetime64[m]").astype("datetime64[us]")
    columns: Columns = {"moment": moments, "prediction": np.arange(len(keys), dtype=np.float64)}
    return Predicted(hashed(Category.of(keys)), moments.astype("datetime64[D]"), columns)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), min_size=1, max_size=15))
def test_a_key_counts_once_for_each_moment(made: list[tuple[str, int]]) -> None:
    own = Predicted.once([predicted([key], [minute]) for key, minute in made], "moment")
    first = list(dict.fromkeys(made))
    assert own.keys.tolist() == hashed(Category.of([key for key, _ in first])).tolist()
    minutes = np.asarray(own.columns["moment"]).astype("datetime64[m]").astype(int)
    assert minutes.tolist() == [minute for _, minute in first]
