"""What must be true of a store after a fault, whatever it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from ml_pipeline.artifacts.datasets import MANIFEST, Dataset, open_dataset, profile_key
from ml_pipeline.artifacts.promotion_log import PromotionLog
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category
from ml_pipeline.contract import MEMORY
from ml_pipeline.errors import PipelineError
from tests.faults.night import Ended

Digests: TypeAlias = dict[tuple[str, str], str]
"""(step, name) -> digest."""
Told: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Step -> what its task told Airflow of it."""
WHEN = "promotion"
"""The artifact that says when it was made."""
PREDICTIONS = ("predictions", "scored")
PARTS = ("raw/", "data/")
"""Folders of datasets."""


def digests(told: Told) -> Digests:
    """Of all that a night left."""
    return {
        (step, name): own["digest"]
        for step, found in told.items()
        for name, own in found["artifacts"].items()
        if name != WHEN
    }


def half_visible(store: Store) -> Iterator[str]:
    """Datasets and models that are there and are not what was written."""
    for key in _visible(store):
        if says := _broken_dataset(store, key):
            yield says
    for version in Registry(store).versions():
        try:
            Registry(store).parameters(version)
        except PipelineError as error:
            yield f"model {version}: {error}"


def leftovers(store: Store) -> Iterator[str]:
    """Objects of no dataset that is there, and models that are not whole: whoever was writing them is gone."""
    named = {name for key in _visible(store) for name in _names(open_dataset(store, key))}
    whole = set(Registry(store).versions())
    for key in store.keys(""):
        if key.startswith(PARTS) and key not in named:
            yield key
        if key.startswith("models/") and key.split("/")[1] not in whole:
            yield key


def champions(store: Store, model: str) -> Iterator[str]:
    """What is wrong with the promotion log, in which one model was promoted, once."""
    try:
        entries = PromotionLog(store).entries()
    except PipelineError as error:
        yield str(error)
        return
    if [(entry.number, entry.to) for entry in entries] != [(1, model)]:
        yield f"the promotion log says {[(entry.number, entry.to) for entry in entries]}, not once {model}"


def predictions(store: Store, key: str) -> Iterator[str]:
    """As of the one day there is a prediction for each key, once, and an answer for people to each."""
    found = {name: Counter[str]() for name in PREDICTIONS}
    for folder in _visible(store):
        dataset = open_dataset(store, folder)
        if dataset.manifest.name in found:
            column = dataset.columns([key])[key]
            assert isinstance(column, Category)
            found[dataset.manifest.name].update(map(str, column.values()))
    for name, counts in found.items():
        if most := [own for own, count in counts.items() if count > 1]:
            yield f"{name}: {len(most)} keys more than once, such as {most[0]}"
    if len({frozenset(counts) for counts in found.values()}) > 1:
        yield "predictions and answers differ in their keys"


def untrue(store: Store, tries: Iterable[Ended]) -> Iterator[str]:
    """Tasks that are green without what they tell of, or were given up for good for a fault that was over soon."""
    for one in tries:
        if one.green:
            yield from _absent(store, one.outcome["steps"])
        elif one.for_good or (one.outcome and one.outcome[0] == "TimeoutError"):
            yield f"{one.order.name}: {one.outcome}"


def _absent(store: Store, told: Told) -> Iterator[str]:
    for step, found in told.items():
        if found["status"] == "skipped":
            yield f"{step} was skipped"
        for name, own in found["artifacts"].items():
            folder = own["uri"].removeprefix(store.address(""))
            if own["uri"].startswith(MEMORY) or not folder.startswith(PARTS):
                continue
            if not store.exists(f"{folder}/{MANIFEST}") or open_dataset(store, folder).manifest.digest != own["digest"]:
                yield f"{step} is green without {name} at {own['uri']}"


def _broken_dataset(store: Store, key: str) -> str:
    try:
        dataset = open_dataset(store, key)
        for part in (*dataset.manifest.parts, *dataset.manifest.quarantine):
            dataset.table(part)
    except PipelineError as error:
        return f"{key}: {error}"
    return ""


def _visible(store: Store) -> list[str]:
    """Keys of the datasets that a reader sees."""
    keys = (key for folder in PARTS for key in store.keys(folder))
    return [key.removesuffix(f"/{MANIFEST}") for key in keys if key.endswith(f"/{MANIFEST}")]


def _names(dataset: Dataset) -> Iterator[str]:
    yield f"{dataset.key}/{MANIFEST}"
    yield profile_key(dataset.key, dataset.manifest)
    for part in (*dataset.manifest.parts, *dataset.manifest.quarantine):
        yield part.elsewhere or f"{dataset.key}/{part.name}"
