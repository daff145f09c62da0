"""The passes of one fit over the same batches: some over a sample, and of many only the first decodes and encodes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.engines.cache import Cache
from ml_pipeline.engines.local import LocalEngine, merged
from ml_pipeline.engines.packing import packed
from ml_pipeline.templates import BaseModel, Parameters, Statistics

SHARE = 0.05
"""Of the batches that make a sample."""
FEWEST, MOST = 3, 8
"""Batches of a sample: fewer say too little, more say hardly more."""
WORTH = 4
"""Samples that the batches must hold for one to save time."""
LABEL = ""
"""The name under which labels are kept, which is that of no column."""


class Passes:
    """The `Total` of one fit, used in a `with`: `x` gives loaders of batches, `y` takes the label out of one.

    What is kept between passes lies in a temporary file; where that has no room, batches are decoded again.
    After a pass, `rows` says over how many rows it was, and `sampled` whether these are a sample.
    """

    def __init__(self, engine: LocalEngine) -> None:
        self.engine, self.cache = engine, Cache()
        self.rows, self.sampled = 0, False

    def __enter__(self) -> Passes:
        return self

    def __exit__(self, *failure: object) -> None:
        self.cache.close()

    def __call__(self, model: type[BaseModel], parameters: Parameters, x: Any, y: Any) -> Statistics:
        """Sum over all batches, or over a sample, extrapolated."""
        few = sample(len(x)) if model.samples(parameters) else []
        self.rows, self.sampled = 0, bool(few)
        kept = model.samples(parameters) or model.repeats(parameters)
        accumulate = self._accumulate_kept if kept else self._accumulate
        work = partial(accumulate, model, parameters, partial(_labelled, x, y))
        whole = merged(model, map(self._counted, self.engine.ordered(work, few or range(len(x)))))
        return model.extrapolate(whole, len(few) / len(x)) if few else whole

    def _counted(self, part: tuple[Statistics, int]) -> Statistics:
        self.rows += part[1]
        return part[0]

    def _accumulate(self, model: Any, parameters: Parameters, load: Any, number: int) -> tuple[Statistics, int]:
        batch, label = load(number)
        return model.accumulate(parameters, batch, label), len(label)

    def _accumulate_kept(self, model: Any, parameters: Parameters, load: Any, number: int) -> tuple[Statistics, int]:
        if number in self.cache:
            encoded = self.cache.load(number)
        else:
            batch, label = load(number)
            # Narrowed whether or not there is room to keep it, so that room changes no bit.
            encoded = packed({**model.encode(batch, parameters), LABEL: label})
            self.cache.keep(number, encoded)
        label = np.asarray(encoded.pop(LABEL), np.float64)
        return model.accumulate_encoded(parameters, encoded, label), len(label)


def sample(count: int) -> list[int]:
    """Numbers of some of `count` batches, spread evenly; none where there are too few to choose from."""
    few = min(max(round(count * SHARE), FEWEST), MOST)
    return [(2 * place + 1) * count // (2 * few) for place in range(few)] if count >= WORTH * few else []


def _labelled(x: Any, y: Any, number: int) -> tuple[Any, Floats]:
    batch = x[number]()
    return batch, y(batch)
