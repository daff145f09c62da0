"""Batches that the tests of models share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ml_pipeline.columns import Category, Column, Floats

Batch = tuple[dict[str, Column], Floats]

WORDS = ("UA", "AA", "DL", "B6", "WN")
LISTS = ("snow", "fog\nsnow", " wind \nfog", "", "rare\nhail\nwind", "hail")
TEXTS = ("Late crew, late aircraft.", "no crew; snow & ice", "…", "ICE on wings — snow", "aircraft late")


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    """Rows with gaps, ties, skew, two categories, lists and texts, and a label that depends on them."""

    def make(rows: int, seed: int = 0) -> Batch:
        chance = np.random.default_rng(seed)
        distance = np.exp(chance.normal(6.0, 1.0, rows))
        minutes = chance.integers(0, 288, rows) * 5.0
        wind = np.where(chance.random(rows) < 0.1, np.nan, chance.gamma(2.0, 5.0, rows))
        carrier = Category(chance.integers(-1, len(WORDS), rows).astype(np.int32), WORDS)
        origin = Category(chance.integers(0, 3, rows).astype(np.int32), ("JFK", "EWR", "LGA"))
        z = np.sin(minutes / 230) + 0.3 * (np.log(distance) - 6) + 0.4 * carrier.codes - 1.5
        label = (chance.random(rows) < 1 / (1 + np.exp(-z))).astype(np.float64)
        x = {"distance": distance, "minutes": minutes, "wind": wind, "carrier": carrier, "origin": origin}
        words = np.random.default_rng(seed + 1)
        for name, vocabulary in (("tags", LISTS), ("notes", TEXTS)):
            x[name] = Category(words.integers(-1, len(vocabulary), rows).astype(np.int32), vocabulary)
        return x, label

    return make
