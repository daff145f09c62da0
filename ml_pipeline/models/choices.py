"""How good the predicted probabilities of several classes are.

Labels y are places of classes (0.0 for the first), shape (rows,), and predictions p the probability of each class,
shape (rows, classes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Floats, Mask
from ml_pipeline.models.judge import Judge, mean
from ml_pipeline.models.metrics import TINY
from ml_pipeline.models.thresholds import Thresholds, area


@dataclass(frozen=True, slots=True, eq=False)
class Choices(Judge):
    """`y` as positions; `losses` of each row, shape (3, rows): log loss, whether the most probable class (of equal ones
    the first) is the true one, and the squared distance of the probabilities from what happened; the rows sorted by the
    probability of each class."""

    y: npt.NDArray[np.intp]
    losses: Floats
    classes: tuple[Thresholds, ...]

    labels = "the place of a class"
    decides = "log_loss"

    @classmethod
    def of(cls, y: Floats, p: Floats) -> Choices:
        places = y.astype(np.intp)
        given = p[np.arange(len(y)), places]
        surprise = -np.log(np.clip(given, TINY, 1.0 - TINY))
        # The sum of (p_j - [j is true])² without a table of zeros and ones.
        squares = np.einsum("ij,ij->i", p, p) - 2.0 * given + 1.0
        losses = np.stack([surprise, p.argmax(axis=1) == places, squares])
        classes = [Thresholds.of((y == place).astype(np.float64), p[:, place]) for place in range(p.shape[1])]
        return cls(places, losses, tuple(classes))

    @classmethod
    def judges(cls, y: Floats, p: Floats) -> Mask:
        return np.isin(y, np.arange(p.shape[1]))

    @classmethod
    def described(cls, y: Floats, p: Floats) -> dict[str, Any]:
        """`shares`: of the rows, what part is of each class."""
        return {"shares": (np.bincount(y.astype(np.intp), minlength=p.shape[1]) / len(y)).tolist()}

    def metrics(self, weight: Floats) -> dict[str, float]:
        """Mean of minus the natural logarithm of the probability given to the true class; share of rows whose most
        probable class is the true one; the same, averaged over the classes that occur; area under the ROC curve of each
        class against all others, averaged over those that can be told apart (Provost and Domingos 2001, unweighted);
        mean squared distance of the probabilities from what happened, 0 to 2 (Brier 1950)."""
        surprise, right, square = mean(self.losses, weight).tolist()
        return {
            "log_loss": surprise,
            "accuracy": right,
            "balanced_accuracy": self._balanced(weight),
            "macro_roc_auc": self._area(weight),
            "brier": square,
        }

    def _balanced(self, weight: Floats) -> float:
        totals = np.bincount(self.y, weight, len(self.classes))
        hits = np.bincount(self.y, weight * self.losses[1], len(self.classes))
        return _average(np.divide(hits, totals, out=np.full(len(totals), np.nan), where=totals > 0.0))

    def _area(self, weight: Floats) -> float:
        return _average(np.array([area(*each.above(weight.take(each.order))) for each in self.classes]))


def _average(values: Floats) -> float:
    """Of those that are known."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def arranged(p: Floats, classes: Sequence[str], wanted: Sequence[str]) -> Floats:
    """Predictions with their classes in the order of `wanted`: those of another model, which may know others.

    A class that it does not know gets 0. Without classes, predictions are returned as they are.

    >>> arranged(np.array([[0.75, 0.25]]), ("a", "b"), ("b", "c", "a"))
    array([[0.25, 0.  , 0.75]])
    """
    if tuple(classes) == tuple(wanted):
        return p
    none = np.zeros(len(p))
    return np.stack([p[:, classes.index(name)] if name in classes else none for name in wanted], axis=1)
