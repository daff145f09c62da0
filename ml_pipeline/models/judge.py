"""How predictions are judged: labels and predictions prepared once, for any number of weightings."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ml_pipeline.columns import Floats, Mask


class Judge:
    """Rows to judge; a class for each kind of prediction, and `of` prepares them.

    `y` are labels, shape (rows,), and `p` predictions, of the same shape but for those of several classes, which have
    shape (rows, classes). A metric that cannot be measured is NaN.
    """

    __slots__ = ()
    labels: ClassVar[str]
    """Which labels it judges, in words."""
    decides: ClassVar[str]
    """The metric by which candidate and champion, and slices, are compared."""

    @classmethod
    def of(cls, y: Floats, p: Floats) -> Judge:
        """Whatever needs to be computed but once."""
        raise NotImplementedError

    @classmethod
    def judges(cls, y: Floats, p: Floats) -> Mask:
        """Which labels are such as it judges, shape (rows,)."""
        raise NotImplementedError

    @classmethod
    def described(cls, y: Floats, p: Floats) -> dict[str, Any]:
        """What one row is like in the mean, as plain values; there is at least one row."""
        return {"mean_label": float(y.mean()), "mean_prediction": float(p.mean())}

    def metrics(self, weight: Floats) -> dict[str, float]:
        """All of them by name, for weights in the order of the original rows, shape (rows,)."""
        raise NotImplementedError


def mean(values: Floats, weight: Floats) -> Floats:
    """Weighted mean over the rows, which are the last axis of the values; NaN where nothing has a weight."""
    total = weight.sum()
    return np.asarray(values @ weight / total if total > 0.0 else np.full(values.shape[:-1], np.nan))
