"""The records of the source that drives as they are known last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.columns import Category, Column, Mask, missing, take
from ml_pipeline.data.revisions import last_of_key
from ml_pipeline.handlers.stage_run import StageRun

Load = Callable[[], dict[str, Column]]


def latest(run: StageRun, datasets: Sequence[Dataset]) -> list[Load]:
    """Batches of the driving source; of records that are revised only the last one of a key, once it has a label."""
    source = run.config.sources[run.config.driving(run.request.mode)]
    loads = [load for dataset in datasets for load in dataset.batches()]
    if not source.revised:
        return loads
    names = [run.config.key, *([source.former_keys] if source.former_keys else [])]
    keys = (load() for dataset in datasets for load in dataset.batches(names))
    current = last_of_key(cast(list[Category], [batch[name] for name in names]) for batch in keys)
    run.metrics["superseded"] = sum(int(np.sum(~mask)) for mask in current)
    return [_chosen(load, mask, run) for load, mask in zip(loads, current, strict=True)]


def _chosen(load: Load, mask: Mask, run: StageRun) -> Load:
    def chosen() -> dict[str, Column]:
        batch = take(load(), mask)
        label = batch.get(run.config.label)
        return batch if run.online or label is None else take(batch, ~missing(label))

    return chosen
