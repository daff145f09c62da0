"""Golden rows: a few test rows with what the model predicted for them, to prove that it predicts the same elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml_pipeline.columns import Columns, Floats, count, take
from ml_pipeline.data import arrow, parquet
from ml_pipeline.errors import IntegrityError
from ml_pipeline.templates import Parameters

GOLDEN = "golden.parquet"
PREDICTION = "golden prediction"
"""The column of predictions; it has a space, so no column of a use case has this name."""
ROWS = 20


def dump(model: Any, parameters: Parameters, rows: Columns) -> bytes:
    """Rows spread evenly over those given, with the columns that the model reads and its predictions, as Parquet."""
    some = np.unique(np.linspace(0, count(rows) - 1, min(ROWS, count(rows))).astype(np.intp))
    chosen = take({name: rows[name] for name in model.inputs()}, some)
    return parquet.encode(arrow.to_table({**chosen, PREDICTION: model.transform(chosen, parameters)}))


def check(model: Any, parameters: Parameters, content: bytes, where: str = GOLDEN) -> None:
    """Score the golden rows again.

    Raises:
        IntegrityError: they cannot be read, or a prediction is another, be it by the last bit.
    """
    rows = arrow.to_columns(parquet.decode(content, where=where))
    if PREDICTION not in rows:
        raise IntegrityError("these are no golden rows", given=where, expected=f"a column {PREDICTION!r}")
    expected = np.asarray(rows.pop(PREDICTION))
    found: Floats = model.transform(rows, parameters)
    wrong = found.view(np.int64) != expected.view(np.int64)
    if other := np.unique(np.nonzero(wrong)[0]).tolist():
        raise IntegrityError(
            f"the model predicts otherwise than when it was evaluated, for {len(other)} of {len(expected)} golden rows",
            given=f"row {other[0]}: {found[other[0]].tolist()!r}",
            expected=repr(expected[other[0]].tolist()),
            do="look for another processor, NumPy or source than at evaluation, and evaluate it there",
        )
