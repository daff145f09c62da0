"""Which of too many coefficients a lasso works on: those that are not 0, and those whose slope says they should not be.

A lasso leaves few, so the Hessian is summed over them alone, while the gradient of all tells whether another is missing
(Tibshirani, Bien, Friedman, Hastie, Simon, Taylor and Tibshirani 2012, "Strong rules for discarding predictors in
lasso-type problems", whose last step this is).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Bag, Category, Column, Encoded, Floats
from ml_pipeline.models.layout import Layout

MOST = 1024
"""Coefficients that are worked on together."""
MORE = 256
"""Of those that should not be 0, so many join at a time: the strongest, and what they explain needs no others."""
Entries = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class WorkingSet:
    """Some entries of a layout, ascending, the bias first; of several classes, each for every class.

    `complete`: no other entry should be anything but 0. `overflows`: some should, and there is no room for them.
    """

    layout: Layout
    entries: Entries
    complete: bool = True
    overflows: bool = False

    @classmethod
    def first(cls, layout: Layout) -> WorkingSet:
        """The bias alone."""
        return cls(layout, np.zeros(1, np.intp))

    def next(self, theta: Floats, slope: Floats, curvature: Floats, small: Floats) -> WorkingSet:
        """What to work on after these.

        Args:
            theta: The coefficients after a step of those that were worked on.
            slope: Of the objective before it, 0 where a lasso holds a coefficient at 0.
            curvature: Of the objective along each coefficient, about.
            small: A coefficient that would move by less may stay where it is; one number for each.
        """
        classes = self.layout.biases()
        held = (theta.reshape(-1, classes) != 0.0).any(axis=1)
        held[0] = True
        own = np.maximum(curvature, np.finfo(np.float64).tiny)
        far = (np.abs(slope) / own > small).reshape(-1, classes).any(axis=1) & ~held
        far[self.entries] = False
        missing = np.flatnonzero(far)
        gain = (np.square(slope) / own).reshape(-1, classes).sum(axis=1)
        room = max(MOST // classes - int(held.sum()), 0)
        strongest = missing[np.argsort(-gain[missing], kind="stable")][: min(MORE, room)]
        entries = np.union1d(np.flatnonzero(held), strongest)
        return WorkingSet(self.layout, entries, not len(missing), bool(len(missing)) and not room)

    def places(self) -> Entries:
        """Of the entries in a coefficient vector."""
        classes = self.layout.biases()
        return np.asarray((self.entries[:, None] * classes + np.arange(classes)).ravel(), np.intp)

    def narrowed(self, x: Encoded) -> dict[str, Column | Bag]:
        """The columns with no more than the entries."""
        spans, found = self.layout.spans(), dict[str, Column | Bag]()
        for name, width in self.layout.dense:
            if len(kept := self._within(spans[name])):
                found[name] = cast(Floats, x[name])[:, kept] if width else x[name]
        for name, width, words in self.layout.bags:
            if len(kept := self._within(spans[name])):
                found[name] = _fewer_places(cast(Bag, x[name]), kept, width, words)
        for name, words in self.layout.words:
            if len(kept := self._within(spans[name])):
                found[name] = cast(Category, x[name]).recode([words[place] for place in kept.tolist()])
        return found

    def _within(self, span: slice) -> Entries:
        first, last = np.searchsorted(self.entries, [span.start, span.stop])
        return np.asarray(self.entries[first:last] - span.start, np.intp)


def _fewer_places(bag: Bag, kept: Entries, width: int, words: tuple[str, ...]) -> Bag:
    place = np.full(width, -1, np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    places = place[bag.places]
    there = places >= 0
    sizes = np.bincount(bag.row_of()[there], minlength=len(bag))
    return Bag.of(sizes, places[there], len(kept), tuple(words[own] for own in kept.tolist()) if words else ())
