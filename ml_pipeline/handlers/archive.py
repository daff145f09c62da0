"""What earlier runs left: a part of it that cannot be read is left out and told of, and the rest is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from ml_pipeline.artifacts.datasets import Dataset, open_dataset
from ml_pipeline.artifacts.promotion_log import READERS
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Column
from ml_pipeline.contract import StageResult, run_key
from ml_pipeline.data.profile import Profile
from ml_pipeline.errors import IntegrityError, NotFoundError
from ml_pipeline.monitoring.severity import Finding

T = TypeVar("T")
R = TypeVar("R")


class Archive:
    """Each of its answers is None where there is nothing, or nothing that can be read; `damaged` says why, by key."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.damaged: dict[str, str] = {}

    def findings(self) -> Iterator[Finding]:
        """A sentence for each object that cannot be read."""
        for key, error in sorted(self.damaged.items()):
            yield Finding("watch", f"{key} cannot be read, and is left out: {error}")

    def each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """A function of each item, many at once, in their order: what is stored takes its time to arrive."""
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(function, items))

    def result(self, run_id: str, step: str) -> StageResult | None:
        """What a step left."""
        key = run_key(run_id, step)
        return self._read(key, lambda: msgspec.json.decode(self.store.get(key), type=StageResult))

    def dataset(self, key: str) -> Dataset | None:
        """A dataset, by its folder."""
        return self._read(key, lambda: open_dataset(self.store, key))

    def columns(self, dataset: Dataset, names: Sequence[str]) -> dict[str, Column] | None:
        """Some columns of a dataset; that a part of it is lost is damage."""
        return self._read(dataset.key, lambda: dataset.columns(names), lost=True)

    def profile(self, key: str) -> Profile | None:
        """That of a dataset, by its folder."""
        dataset = self.dataset(key)
        return self._read(key, dataset.profile, lost=True) if dataset else None

    def _read(self, key: str, read: Callable[[], R], *, lost: bool = False) -> R | None:
        try:
            return read()
        except (NotFoundError, IntegrityError, msgspec.MsgspecError) as error:
            if lost or not isinstance(error, NotFoundError):
                self.damaged[key] = str(error)
            return None
