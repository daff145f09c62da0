from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.columns import Bag, Category, take
from ml_pipeline.errors import ChainError
from ml_pipeline.models.linear_predictor import FEW, score

TEXT = np.random.default_rng(1).normal(size=40) * 10.0 ** np.arange(-20, 20)
THETA = {"a": 0.3, "b": [0.1, -7.7, 1e5], "c": {"x": 1.7, "y": -0.2}, "d": TEXT, "e": {"u": 0.1, "w": 1e-9}}


def columns(rows: int, seed: int = 0) -> dict:
    chance = np.random.default_rng(seed)
    codes = chance.integers(-1, 3, rows).astype(np.int32)
    numbers = {"a": chance.normal(size=rows), "b": chance.normal(size=(rows, 3))}
    bags = {"d": bag(chance, rows, 40), "e": bag(chance, rows, 3, ("u", "new", "w"))}
    return {**numbers, "c": Category(codes, ("y", "new", "x")), **bags}


def bag(chance: np.random.Generator, rows: int, width: int, words: tuple[str, ...] = ()) -> Bag:
    held = chance.random((rows, width)) < 0.4
    return Bag.of(held.sum(axis=1), np.nonzero(held)[1], width, words)


def by_hand(x: dict, row: int) -> float:
    z = 0.05
    z += float(x["a"][row]) * 0.3
    for value, theta in zip(x["b"][row].tolist(), THETA["b"], strict=True):
        z += value * theta
    z += THETA["c"].get(x["c"].values()[row], 0.0)
    z += in_order([TEXT[place] for place in x["d"][row : row + 1].places])
    return z + in_order([THETA["e"].get(x["e"].words[place], 0.0) for place in x["e"][row : row + 1].places])


def in_order(terms: list[float]) -> float:
    total = 0.0
    for term in terms:
        total += float(term)
    return total


@pytest.mark.parametrize("rows", [0, 1, FEW, FEW + 1, 40_000])
def test_the_score_is_the_sum_in_order_bit_for_bit(rows: int) -> None:
    x = columns(rows)
    z = score(x, 0.05, THETA)
    assert z.shape == (rows,)
    for row in range(0, rows, max(1, rows // 50)):
        assert z[row] == by_hand(x, row)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 199), min_size=1, max_size=150))
def test_a_row_scores_the_same_in_any_batch(seed: int, rows: list[int]) -> None:
    x = columns(200, seed)
    assert score(take(x, np.array(rows)), 0.05, THETA).tolist() == score(x, 0.05, THETA)[rows].tolist()


def test_columns_that_lie_otherwise_in_memory_score_the_same() -> None:
    x = columns(5000)
    turned = {**x, "a": np.repeat(x["a"], 2)[::2], "b": np.asfortranarray(x["b"])}
    assert np.array_equal(score(x, 0.05, THETA), score(turned, 0.05, THETA))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x.pop("a"), "needs the column 'a'"),
        (lambda x: x.update(c=x["a"]), "column 'c' is not of the kind"),
        (lambda x: x.update(a=x["c"]), "column 'a' is not of the kind"),
        (lambda x: x.update(a=x["b"]), r"column 'a' is not of the kind.*Given: a block column. Expected: a number"),
        (lambda x: x.update(b=x["a"]), r"column 'b' is not of the kind.*a block or a bag, 3 wide"),
        (lambda x: x.update(c=x["d"]), r"column 'c' is not of the kind.*a bag whose places have names"),
        (lambda x: x.update(d=x["e"]), r"column 'd' is not of the kind.*Given: a bag column. Expected: .* 40 wide"),
        (lambda x: x.update(d=Bag.of([0] * 3, [], 41)), "column 'd' is not of the kind"),
    ],
)
def test_columns_other_than_in_training_are_refused(change: Callable[[dict], object], words: str) -> None:
    x = columns(3)
    change(x)
    with pytest.raises(ChainError, match=words):
        score(x, 0.05, THETA)
