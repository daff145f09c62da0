"""Single precision for numbers around 0 and for those it holds exactly; nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.columns import Bag, Category
from ml_pipeline.engines.packing import packed

CHANCE = np.random.default_rng(0)
NORMAL = CHANCE.normal(size=500)


@pytest.mark.parametrize(
    ("column", "narrow"),
    [
        (NORMAL, True),
        (NORMAL + 10, True),
        (NORMAL * 1e-20, True),
        ((NORMAL > 0) * 1.0, True),
        (np.full(500, 7.0), True),
        (np.zeros(0), False),
        (NORMAL.reshape(-1, 5), True),
        (2013 + NORMAL, False),  # a year
        (NORMAL.reshape(-1, 5) + np.array([0, 0, 1e4, 0, 0]), False),
        (np.full(500, 0.1), False),
        (NORMAL * 1e35, False),
        (NORMAL * 1e-35, False),
        (np.append(NORMAL, np.nan), False),
        (np.append(NORMAL, np.inf), False),
    ],
)
def test_what_is_narrowed(column: np.ndarray, narrow: bool) -> None:
    found = packed({"n": column})["n"]
    assert found.dtype == (np.float32 if narrow else np.float64)
    np.testing.assert_allclose(found, column, rtol=1e-7)


def test_categories_and_bags_stay_as_they_are() -> None:
    x = {"c": Category.of(["a", None]), "b": Bag.of([1, 1], [0, 3], 4)}
    assert packed(x) == x
