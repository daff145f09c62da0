"""The coefficients that a fit of the dense model must reach: Newton's method in float64, to the last digit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tests.benchmarks import data
from tests.benchmarks.data import Floats
from tests.benchmarks.judging import OPTIMUM

ENOUGH = 1e-11


def write(place: Path, ridge: float = 1.0) -> None:
    """Find it and leave it beside the events, if it is not there."""
    if not (place / OPTIMUM).exists():
        (place / OPTIMUM).write_text(json.dumps(find(data.files(place, "events"), ridge).tolist()))


def find(files: list[Path], ridge: float) -> Floats:
    """Bias and coefficients of the 20 numbers, shape (21,)."""
    theta = np.concatenate([[data.truth().bias], data.truth().numbers])
    penalty = np.diag([0.0, *np.full(len(data.NUMBERS), ridge)])
    step = np.ones(1)
    while np.max(np.abs(step)) > ENOUGH:
        sums = [_sums(path, theta) for path in files]
        gradient, hessian = (sum(each) for each in zip(*sums, strict=True))
        step = np.linalg.solve(hessian + penalty, gradient + penalty @ theta)
        theta = theta - step
    return theta


def _sums(path: Path, theta: Floats) -> tuple[Floats, Floats]:
    table = pq.ParquetFile(path, pre_buffer=False).read(columns=[*data.NUMBERS, data.LABEL])
    x = np.array([np.ones(len(table)), *(table.column(name).to_numpy() for name in data.NUMBERS)])
    p = 1.0 / (1.0 + np.exp(-(theta @ x)))
    return x @ (p - table.column(data.LABEL).to_numpy()), (x * (p * (1.0 - p))) @ x.T
