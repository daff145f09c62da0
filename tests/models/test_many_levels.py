from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.columns import Bag, Category
from ml_pipeline.errors import ChainError
from ml_pipeline.models import ManyLevels
from ml_pipeline.models.levels import OTHER

TRAIN = ["Breast Cancer\nNeoplasms", " Neoplasms \r\n\nNeoplasms", "Flu\nBreast Cancer", "Flu", None, "", "Gout"]


def words(column: Bag) -> list[list[str]]:
    return [[column.words[place] for place in part] for part in np.split(column.places, column.offsets[1:-1])]


def fitted(texts: list[str | None], rare: int = 2) -> dict:
    return ManyLevels.fit(ManyLevels("c", rare=rare).parameters, {"c": Category.of(texts)}, np.zeros(len(texts)))


def test_an_entry_counts_once_a_row_and_frequent_ones_become_places() -> None:
    parameters = fitted(TRAIN)
    assert parameters["levels"] == {"c": {"Breast Cancer": 0, "Flu": 1, "Neoplasms": 2, OTHER: 3}}
    column = ManyLevels.transform({"c": Category.of(TRAIN)}, parameters)["c"]
    assert words(column) == [
        ["Breast Cancer", "Neoplasms"], ["Neoplasms"], ["Breast Cancer", "Flu"], ["Flu"], [], [], [OTHER],
    ]  # fmt: skip
    assert column.words == ("Breast Cancer", "Flu", "Neoplasms", OTHER)


def test_all_that_is_rare_or_unknown_is_other_once() -> None:
    column = ManyLevels.transform({"c": Category.of(["Gout\nMumps\nFlu", " \n ", OTHER])}, fitted(TRAIN))["c"]
    assert words(column) == [["Flu", OTHER], [], [OTHER]]


def test_without_frequent_levels_there_is_other_alone() -> None:
    assert fitted([None, OTHER, OTHER, OTHER])["levels"] == {"c": {OTHER: 0}}


def test_batches_with_other_vocabularies_count_together() -> None:
    start = ManyLevels("c", rare=3).parameters
    parts = (Category.of(["x\ny", "x"]), Category.of(["y\nx\nx", None]))
    first, second = (ManyLevels.accumulate(start, {"c": part}, np.zeros(2)) for part in parts)
    sums = ManyLevels.merge(first, second)
    assert sums == {"c": {"x": 3, "y": 2}}
    assert ManyLevels.update(start, sums)["levels"] == {"c": {"x": 0, OTHER: 1}}


def test_outputs_are_bags_and_numbers_are_refused() -> None:
    assert ManyLevels.outputs(ManyLevels("c").parameters, {"c": "category"}) == {"c": "bag"}
    with pytest.raises(ChainError, match="ManyLevels cannot work on the column 'n'"):
        ManyLevels.outputs(ManyLevels("n").parameters, {"n": "number"})
