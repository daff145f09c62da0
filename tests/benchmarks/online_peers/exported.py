"""The product's coefficients as scikit-learn models: of raw records, and of numbers alone.

    python -m tests.benchmarks.online_peers.exported COEFFICIENTS.json FOLDER

Nothing is fitted: the estimators are given the coefficients, and their own code applies them. Of numbers alone each
category comes as what it adds to the score, so that the peer is spared to look it up.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

FOLDER = "ONLINE_PEERS_MODELS"
"""Variable that says where a server finds them."""
OF_RECORDS, OF_NUMBERS = "of_records.joblib", "of_numbers.joblib"


def main(coefficients: Path, folder: Path) -> None:
    """Write both models."""
    learnt = json.loads(coefficients.read_text())
    joblib.dump(of_records(learnt), folder / OF_RECORDS)
    joblib.dump(of_numbers(learnt), folder / OF_NUMBERS)


def load(name: str) -> Any:
    """A model, by the name of its file."""
    return joblib.load(Path(os.environ[FOLDER]) / name)


def of_records(learnt: dict[str, Any]) -> Pipeline:
    """Columns of a data frame, categories as words, through one-hot columns."""
    numbers, levels = learnt["numbers"], learnt["levels"]
    encoder = OneHotEncoder(categories=[list(own) for own in levels.values()], handle_unknown="ignore")
    columns = ColumnTransformer([("numbers", "passthrough", list(numbers)), ("levels", encoder, list(levels))])
    columns.fit(pd.DataFrame([{**numbers, **{name: next(iter(own)) for name, own in levels.items()}}]))
    weights = [*numbers.values(), *(weight for own in levels.values() for weight in own.values())]
    return Pipeline([("columns", columns), ("regression", _regression(learnt["bias"], weights))])


def of_numbers(learnt: dict[str, Any]) -> LogisticRegression:
    """An array of shape (rows, 25)."""
    return _regression(learnt["bias"], [*learnt["numbers"].values(), *[1.0] * len(learnt["levels"])])


def _regression(bias: float, weights: list[float]) -> LogisticRegression:
    regression = LogisticRegression()
    regression.classes_ = np.array([0, 1])
    regression.coef_, regression.intercept_ = np.array([weights]), np.array([bias])
    regression.n_features_in_ = len(weights)
    return regression


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
