"""How good the flights model is on September to December 2013, beside LightGBM on the same columns and split.

    make bench-quality        (or: python tests/benchmarks/quality.py [store])

Both learn from the same training rows, choose on the same validation rows (August) and are judged on the same test
rows, inside the product: as of 2014-01-02, test 122 days.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile

import numpy as np

from ml_pipeline.artifacts.datasets import Dataset, open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category
from ml_pipeline.contract import StageRequest
from ml_pipeline.discovery import find
from ml_pipeline.models import metrics
from ml_pipeline.run import run

PARAMETERS = {"split.test": "122d", "split.validation": "31d"}


def main(store: str) -> None:
    """Train, evaluate and print both."""
    as_of = dt.datetime(2014, 1, 2, tzinfo=dt.UTC)
    request = StageRequest("flights", "offline", (), "quality", as_of, store, parameters=PARAMETERS)
    results = {result.stage: result for result in run(request)}
    room = Store(store).within("flights")
    parts = {artifact.name: open_dataset(room, artifact.key) for artifact in results["split"].artifacts}
    ours, theirs = results["evaluate"].metrics, _lightgbm(parts)
    for name, part in parts.items():
        print(f"{name:11} {part.manifest.rows:8,} rows  {part.manifest.time['first']} to {part.manifest.time['last']}")
    print(f"\n{'':18} {'this model':>28}  {'LightGBM':>9}")
    for name in ("roc_auc", "average_precision", "log_loss", "brier", "calibration_error"):
        own = ours[name]
        print(f"{name:18} {own['value']:9.4f} ({own['low']:.4f} to {own['high']:.4f})  {theirs[name]:9.4f}")
    train = results["train"]
    print(f"\ntrained in {train.seconds:.1f} s, validation loss {train.metrics.get('validation_loss')}")


def _lightgbm(parts: dict[str, Dataset]) -> dict[str, float]:
    import lightgbm

    names = list(find("flights").load("models.LatenessModel").inputs())
    data = {name: _frame(part, names) for name, part in parts.items()}
    model = lightgbm.LGBMClassifier(n_estimators=400, verbose=-1)
    stop = lightgbm.early_stopping(50, verbose=False)
    model.fit(*data["train"], eval_set=[data["validation"]], callbacks=[stop])
    x, y = data["test"]
    p = model.predict_proba(x)[:, 1]
    return metrics.Ranking.of(y, p).metrics(np.ones(len(y)))


def _frame(part: Dataset, names: list[str]) -> tuple[object, np.ndarray]:
    import pandas as pd

    columns = part.columns([*names, "late"])
    frame = {name: _series(columns[name]) for name in names}
    return pd.DataFrame(frame), np.asarray(columns["late"])


def _series(column: object) -> object:
    import pandas as pd

    if isinstance(column, Category):
        words = sorted(column.vocabulary)
        return pd.Categorical(column.values(), categories=words)
    return column


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
