"""How good what a contender made is; judged when its clock has stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tests.benchmarks import data
from tests.benchmarks.data import Floats

if TYPE_CHECKING:
    import pyarrow as pa

Judge = Callable[[], dict[str, float]]
"""Says how good the work is; not measured."""
Work = Callable[[], Judge]
"""What is measured."""
OPTIMUM = "optimum.json"


class Place(NamedTuple):
    """Where a contender finds the events, and an empty folder in which it may write."""

    data: Path
    output: Path


def nothing() -> dict[str, float]:
    """The work leaves nothing to be judged."""
    return {}


def fitted(place: Place, bias: float, numbers: Sequence[float] | Floats) -> dict[str, float]:
    """The largest distance of a coefficient from the optimum, where that is known."""
    file = place.data / OPTIMUM
    if not file.exists():
        return {}
    return {"distance": float(np.max(np.abs(np.array([bias, *numbers]) - json.loads(file.read_text()))))}


def held_out(y: Floats, probability: Floats) -> dict[str, float]:
    """Of a prediction for rows that nobody learnt from."""
    from sklearn.metrics import log_loss, roc_auc_score

    return {"log loss": float(log_loss(y, probability)), "ROC-AUC": float(roc_auc_score(y, probability))}


def joined(files: Sequence[Path]) -> dict[str, float]:
    """How many rows have other values than those of the latest reading, or are there twice; in any order."""
    wrong, events = 0, []
    for table in _tables(files, [data.KEY, data.TIME, data.STATION, *data.VALUES]):
        events.append(_ordinals(table, data.KEY, 10))
        values = np.array([table.column(name).to_numpy() for name in data.VALUES])
        expected = data.latest(_microseconds(table), _ordinals(table, data.STATION, 5))
        wrong += int((~np.isclose(values, expected, rtol=0, atol=0, equal_nan=True).all(axis=0)).sum())
    rows = sum(map(len, events))
    return {"rows": rows, "wrong rows": wrong + rows - len(np.unique(np.concatenate(events))), **size(files)}


def prepared(files: Sequence[Path]) -> dict[str, float]:
    """Rows, and sums that tell one preparation from another."""
    tables = list(_tables(files, ["hour", "ratio", "spread", "kind"]))
    sums = {name: sum(float(np.sum(table.column(name).to_numpy())) for table in tables) for name in ("hour", "spread")}
    return {"rows": sum(table.num_rows for table in tables), "check": sum(sums.values()), **size(files)}


def scored(files: Sequence[Path], place: Place) -> dict[str, float]:
    """The largest difference from the probabilities that the labels were drawn with."""
    expected = np.concatenate([_probabilities(table) for table in _tables(data.files(place.data, "events"))])
    rows, worst = 0, 0.0
    for table in _tables(files, [data.KEY, "prediction"]):
        apart = np.abs(table.column("prediction").to_numpy() - expected[_ordinals(table, data.KEY, 10)])
        rows, worst = rows + len(apart), max(worst, float(np.max(apart)))
    return {"rows": rows, "difference": worst, **size(files)}


def parts(folder: Path) -> list[Path]:
    """The Parquet files of a folder."""
    return sorted(folder.glob("*.parquet"))


def _tables(files: Sequence[Path], columns: list[str] | None = None) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq

    for path in files:
        file = pq.ParquetFile(path, pre_buffer=False)
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns)


def _probabilities(table: pa.Table) -> Floats:
    codes = {name: _ordinals(table, name, 5) for name in data.LEVELS}
    x = np.array([table.column(name).to_numpy() for name in data.NUMBERS])
    return 1.0 / (1.0 + np.exp(-data.scores(x, codes, data.truth())))


def _ordinals(table: pa.Table, name: str, digits: int) -> data.Ints:
    """The number that a key or a level ends with."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = table.column(name).cast(pa.string())
    found: data.Ints = pc.utf8_slice_codeunits(words, start=-digits).cast(pa.int64()).to_numpy()
    return found


def _microseconds(table: pa.Table) -> data.Ints:
    """Of each event, since the start."""
    import pyarrow as pa

    at: data.Ints = table.column(data.TIME).cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    return at - data.START.astype(np.int64)


def size(files: Sequence[Path]) -> dict[str, float]:
    """Megabytes that were written."""
    return {"MB": sum(path.stat().st_size for path in files) / 1e6}
