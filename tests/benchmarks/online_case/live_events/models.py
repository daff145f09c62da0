"""The same logistic model that the peers get, and the answer that a person would be given."""

from __future__ import annotations

import numpy as np
from ml_pipeline.use_cases.live_events.sources import CATEGORIES, NUMBERS

from ml_pipeline.chain import Chain, Preparation, chain, keep
from ml_pipeline.columns import Category, Floats
from ml_pipeline.models import Levels, LogisticRegression


class PrepareEvents(Preparation):
    """As they are: peers are measured without any preparation too."""

    steps = chain(keep("event", "at", *NUMBERS, *CATEGORIES, "y"))


class EventModel(Chain):
    """20 numbers as they are, and the levels that occur often enough."""

    features = (Levels(*CATEGORIES, rare=50),)
    estimator = LogisticRegression(*NUMBERS, *CATEGORIES, ridge=1.0)


def band(prediction: Floats) -> Category:
    """The probability in a word."""
    return Category((prediction >= 0.5).astype(np.int32), ("low", "high"))


class Band(Preparation):
    """What a caller would act on."""

    steps = chain(band, keep("event", "at", "band", "prediction", "model_version"))
