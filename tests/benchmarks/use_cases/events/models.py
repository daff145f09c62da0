"""What the product is measured with: a dense model, a wide one, and preparations."""

from __future__ import annotations

import numpy as np
from ml_pipeline.use_cases.events.cleaning import READS, WRITES, cleaned
from ml_pipeline.use_cases.events.sources import CATEGORIES, NUMBERS

from ml_pipeline.chain import Chain, Preparation, chain, frame, keep
from ml_pipeline.columns import Category, Floats
from ml_pipeline.models import Levels, LogisticRegression


class CleanEvents(Preparation):
    """A preparation that a person wrote in pandas."""

    steps = chain(frame(READS, WRITES)(cleaned), keep(*WRITES))


class PrepareReadings(Preparation):
    """As they are."""

    steps = chain(keep("c1000", "known_at", "v1", "v2", "v3", "v4"))


class Dense(Chain):
    """20 numbers as they are."""

    estimator = LogisticRegression(*NUMBERS, ridge=1.0)


class Wide(Chain):
    """20 numbers and the 11,160 levels of five categories."""

    features = (Levels(*CATEGORIES, rare=1),)
    estimator = LogisticRegression(*NUMBERS, *CATEGORIES, ridge=1.0)


def band(prediction: Floats) -> Category:
    """The probability in a word."""
    return Category((prediction >= 0.5).astype(np.int32), ("low", "high"))


class Band(Preparation):
    """The table that people would use."""

    steps = chain(band, keep("event", "at", "band", "prediction"))
