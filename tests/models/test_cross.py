from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Column, take
from ml_pipeline.errors import ChainError
from ml_pipeline.models import Cross, HashedLevels, Levels, LogisticRegression
from ml_pipeline.models.levels import OTHER

WORD = st.none() | st.sampled_from(["", "a", "b", "é", "x", " x ", "a x a"])


class Lines(Chain):
    features = (
        Cross("carrier", "origin"),
        Cross("carrier", "origin", "wave"),
        Levels("carrier_and_origin", rare=2),
        HashedLevels("carrier_and_origin_and_wave", buckets=32),
    )
    estimator = LogisticRegression("carrier_and_origin", "carrier_and_origin_and_wave")


X: dict[str, Column] = {
    "carrier": Category.of(["UA", "UA", "DL", "UA", None, "DL"]),
    "origin": Category.of(["JFK", "JFK", "JFK", "LGA", "LGA", "JFK"]),
    "wave": Category.of(["am", "pm", "am", "pm", "am", None]),
}


def crossed(*columns: list[str | None]) -> Category:
    x = {str(place): Category.of(words) for place, words in enumerate(columns)}
    return Cross.transform(x, Cross(*x).parameters)["_and_".join(x)]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(WORD, WORD, WORD), max_size=40), st.integers(2, 3))
def test_each_row_has_the_words_of_its_columns_or_none(rows: list[tuple[str | None, ...]], many: int) -> None:
    column = crossed(*([row[place] for row in rows] for place in range(many)))
    assert column.values() == [None if None in row[:many] else " x ".join(row[:many]) for row in rows]
    assert len(set(column.vocabulary)) == len(column.vocabulary)
    assert set(column.vocabulary) <= {*column.values()}


def test_few_rows_of_many_words_are_the_same_rows() -> None:
    many = [f"{number}" for number in range(3000)]
    x = {"a": Category.of(many), "b": Category.of(many[::-1])}
    few = Cross.transform(take(x, np.array([7, 2999])), Cross("a", "b").parameters)["a_and_b"]
    assert few.values() == ["7 x 2992", "2999 x 0"]
    assert len(few.vocabulary) == 2


def test_frequent_combinations_are_kept_in_the_pass_that_learns_levels() -> None:
    start = Lines().parameters
    once = Lines.update(start, Lines.accumulate(start, X, np.array([0.0, 1.0, 0.0, 1.0, 1.0, 1.0])))
    assert once["features"][2]["levels"] == {"carrier_and_origin": {"DL x JFK": 0, "UA x JFK": 1, OTHER: 2}}
    seen = Lines.encode(X, once)
    assert seen["carrier_and_origin"].values() == ["UA x JFK", "UA x JFK", "DL x JFK", OTHER, OTHER, "DL x JFK"]
    assert seen["carrier_and_origin_and_wave"].sizes().tolist() == [1, 1, 1, 1, 0, 0]
    assert Lines.inputs() == dict.fromkeys(("carrier", "origin", "wave"), "category")


def test_what_only_goes_together_is_learnt() -> None:
    chance = np.random.default_rng(2)
    x = {name: Category(chance.integers(0, 2, 2000).astype(np.int32), ("n", "y")) for name in ("carrier", "origin")}
    y = (x["carrier"].codes == x["origin"].codes).astype(np.float64)
    x |= {"wave": Category.of(["am"] * 2000)}
    p = Lines.transform(x, Lines.fit(Lines().parameters, x, y))
    assert p[y == 1].min() > 0.9 > 0.1 > p[y == 0].max()


@pytest.mark.parametrize("columns", [(), ("a",), ("a", "a"), ("a", "b", "a")])
def test_one_column_is_no_combination(columns: tuple[str, ...]) -> None:
    with pytest.raises(ChainError, match=r"Cross cannot combine .*two or more different"):
        Cross(*columns)


def test_numbers_are_refused() -> None:
    with pytest.raises(ChainError, match="Cross cannot work on the column 'n'"):
        Cross.outputs(Cross("c", "n").parameters, {"n": "number", "c": "category"})
