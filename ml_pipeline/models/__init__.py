"""The models a use case chains: encoders and estimators, each imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_pipeline.models.cross import Cross
    from ml_pipeline.models.cyclic import Cyclic
    from ml_pipeline.models.hashed_levels import HashedLevels
    from ml_pipeline.models.hashed_text import HashedText
    from ml_pipeline.models.impute import Impute
    from ml_pipeline.models.levels import Levels
    from ml_pipeline.models.linear import LinearRegression
    from ml_pipeline.models.logistic import LogisticRegression
    from ml_pipeline.models.many_levels import ManyLevels
    from ml_pipeline.models.poisson import PoissonRegression
    from ml_pipeline.models.recent_rate import RecentRate
    from ml_pipeline.models.softmax import SoftmaxRegression
    from ml_pipeline.models.spline import Spline
    from ml_pipeline.models.standardise import Standardise

__all__ = [
    "Cross",
    "Cyclic",
    "HashedLevels",
    "HashedText",
    "Impute",
    "Levels",
    "LinearRegression",
    "LogisticRegression",
    "ManyLevels",
    "PoissonRegression",
    "RecentRate",
    "SoftmaxRegression",
    "Spline",
    "Standardise",
]

_FILES = {
    "Cross": "cross",
    "Cyclic": "cyclic",
    "HashedLevels": "hashed_levels",
    "HashedText": "hashed_text",
    "Impute": "impute",
    "Levels": "levels",
    "LinearRegression": "linear",
    "LogisticRegression": "logistic",
    "ManyLevels": "many_levels",
    "PoissonRegression": "poisson",
    "RecentRate": "recent_rate",
    "SoftmaxRegression": "softmax",
    "Spline": "spline",
    "Standardise": "standardise",
}


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FILES[name]}"), name)
