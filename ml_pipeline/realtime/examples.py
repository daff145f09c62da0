"""Raw records to show what a caller sends."""

from __future__ import annotations

from typing import Any

from ml_pipeline.artifacts.datasets import Dataset, open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.data import json_values
from ml_pipeline.errors import PipelineError
from ml_pipeline.realtime.scorer import Functions

COUNT = 2
MADE_UP: dict[str, Any] = {"string": "text", "bool": True, "timestamp": "2024-01-31T12:00:00Z"}
"""A value of each type, where nothing is stored; 1 of all others."""


def example(functions: Functions, store: Store) -> list[dict[str, Any]]:
    """Two records of the driving source: of those that were last scored or trained on, or made up."""
    types = functions.records.types
    try:
        for folder in (f"raw/{functions.source}.new/", f"raw/{functions.source}/"):
            if found := _newest(store, folder):
                table = found.table(found.manifest.parts[0], list(types)).slice(0, COUNT)
                return json_values.of_table(table, list(types))
    except PipelineError:  # the store is away, or the records are of other types: any record will do
        pass
    return [{name: MADE_UP.get(kind, 1) for name, kind in types.items()}] * COUNT


def _newest(store: Store, folder: str) -> Dataset | None:
    """The newest snapshot that holds records."""
    for name in reversed(store.folders(folder)):
        found = open_dataset(store, folder + name)
        if found.manifest.rows:
            return found
    return None
