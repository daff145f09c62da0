"""How often each row's loss counts in training: a column of the data, which no prediction needs."""

from __future__ import annotations

import numpy as np

from ml_pipeline.columns import Encoded, Floats, kind
from ml_pipeline.errors import FitError
from ml_pipeline.templates import require


def weights_of(model: str, name: str, x: Encoded) -> Floats:
    """The weights in a column, shape (rows,).

    Raises:
        ChainError: the column is missing, or holds no numbers.
        FitError: a weight is missing, negative or infinite.
    """
    require(model, [name], {name: kind(column) for name, column in x.items()}, "number")
    weights = np.asarray(x[name], np.float64)
    wrong = weights[~((weights >= 0.0) & (weights < np.inf))]
    if len(wrong):
        raise FitError(
            f"{model} cannot weigh rows by {name!r}",
            given=f"{len(wrong)} of {len(weights)} rows with another weight, such as {wrong[0]:g}",
            expected="a finite number that is 0 or more in every row",
            do=f"mend {name!r} in the preparation, or set those rows aside",
        )
    return weights


def weighted(values: Floats, weights: Floats | None) -> Floats:
    """Values of shape (rows, …), those of each row times its weight; without weights as they are."""
    if weights is None:
        return values
    return (weights if values.ndim == 1 else weights[:, None]) * values
