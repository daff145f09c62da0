"""How good the model of clinical trials is: on synthetic records beside the best possible, and on real ones.

    make bench-quality CTGOV=folder      (or: python tests/benchmarks/trials.py [folder of the registry's JSON])

The generator's coefficients are known, so the true probability of every trial is, and with it the best ROC-AUC that any
model could reach on the same test rows. The real records are few; what counts there is the interval.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category, Columns
from ml_pipeline.contract import StageRequest, StageResult, moment
from ml_pipeline.discovery import find
from ml_pipeline.models import metrics
from ml_pipeline.run import run
from ml_pipeline.use_cases.clinical_trials.synthetic import probability, studies

COUNT = 80_000
REPLICATES = 200


def main(folder: str) -> None:
    """Print both tables."""
    synthetic({"sources.now_health_data.address": f"synthetic:{COUNT}", "split.test": "1460d"})
    if folder:
        hashed = {"split.by": "hash", "split.validation": "15%", "split.test": "30%"}
        real({"sources.now_health_data.address": str(Path(folder).absolute()), **hashed})


def synthetic(parameters: dict[str, Any]) -> None:
    """The model's ROC-AUC and that of the truth, on the same rows, with the interval of the paired difference."""
    store = tempfile.mkdtemp()
    results = trained(store, parameters)
    room = Store(store).within("clinical_trials")
    (key,) = [artifact.key for artifact in results["split"].artifacts if artifact.name == "test"]
    test = open_dataset(room, key).columns()
    model, own = find("clinical_trials").load("models.CompletionModel"), results["train"]
    ours = model.transform(test, Registry(room).parameters(own.model_version))
    best, y = truth(test), np.asarray(test["completes"])
    draws = [metrics.replicates(y, p, metrics.Bootstrap(0, REPLICATES))["roc_auc"] for p in (ours, best)]
    low, high = metrics.interval(draws[1] - draws[0])
    auc, limit = metrics.roc_auc(y, ours), metrics.roc_auc(y, best)
    print(f"SYNTHETIC records: {COUNT:,} studies, {own.rows_in:,} rows to learn from, {len(y):,} test rows")
    print(f"ROC-AUC of the model {auc:.4f}, best possible {limit:.4f}")
    print(f"short of it by {limit - auc:.4f} (95 % interval {low:.4f} to {high:.4f}); trained in {own.seconds:.0f} s")


def real(parameters: dict[str, Any]) -> None:
    """Metrics with intervals on the registry's own records."""
    results = trained(tempfile.mkdtemp(), parameters)
    for name, value in results["evaluate"].metrics.items():
        print(f"real records: {name:18} {value['value']:7.4f} ({value['low']:.4f} to {value['high']:.4f})")
    rows = {artifact.name: artifact.rows for artifact in results["split"].artifacts}
    print(f"real records: {rows}; {' '.join((results['evaluate'].verdict or {})['reasons'])}")


def trained(store: str, parameters: dict[str, Any]) -> dict[str, StageResult]:
    """Stage -> its result, as of a day when all records are known."""
    as_of = moment("2026-01-01", "UTC")
    request = StageRequest("clinical_trials", "offline", (), "quality", as_of, store, parameters=parameters)
    return {result.stage: result for result in run(request)}


def truth(rows: Columns) -> np.ndarray:
    """The planted probability of each row."""
    keys = rows["trial_id"]
    assert isinstance(keys, Category)
    known = dict(_known())
    return np.array([known[str(key)] for key in keys.values()])


def _known() -> Iterator[tuple[str, float]]:
    for study in studies(COUNT):
        found = probability(study)
        if not np.isnan(found):
            yield study["protocolSection"]["identificationModule"]["nctId"], found


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
