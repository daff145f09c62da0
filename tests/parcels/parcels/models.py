"""What is made of each source, the model, and what people get to see."""

from __future__ import annotations

import numpy as np

from ml_pipeline.chain import Chain, Preparation, chain, check, keep
from ml_pipeline.columns import Category, Floats, Mask
from ml_pipeline.models import Impute, Levels, LogisticRegression, RecentRate, Standardise


@check("the weight is negative")
def weighed(weight: Floats) -> Mask:
    """A weight that is missing is fine."""
    return ~(weight < 0)


def late(delay: Floats) -> Floats:
    """1 from 30 minutes on; no label while the delay is not known."""
    return np.where(np.isnan(delay), np.nan, delay >= 30)


class PrepareParcels(Preparation):
    """Of the truth only the label stays."""

    steps = chain(weighed, late, keep("parcel_id", "customer", "depot", "weight", "pickup", "delivered", "late"))


class PrepareTraffic(Preparation):
    """Speed on the roads around a depot."""

    steps = chain(keep("depot", "measured_at", "speed"))


class PrepareCustomers(Preparation):
    """Who gets the parcel, and how high up."""

    steps = chain(keep("customer", "tier", "floor"))


late_by_depot = RecentRate("depot", label="late", known="delivered", window="2d", name="recent_late")


class LateModel(Chain):
    """A logistic regression."""

    features = (Impute("weight", "speed", "floor", "recent_late"), Levels("depot", "tier", rare=5), Standardise())
    estimator = LogisticRegression(ridge=(100.0, 1.0))


def band(prediction: Floats) -> Category:
    """The risk in a word."""
    return Category((prediction >= 0.5).astype(np.int32), ("low", "high"))


class ParcelRisk(Preparation):
    """One row per parcel."""

    steps = chain(band, keep("parcel_id", "pickup", "rank", "band", "tier", "prediction", "model_version"))
