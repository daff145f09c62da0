"""The made-up events as what the stages before a measured one leave: datasets, results and a champion in a store."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.artifacts.datasets import MANIFEST, DatasetWriter, open_dataset
from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.artifacts.registry import Model, Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.artifacts.versions import system_version
from ml_pipeline.contract import Artifact, Mode, StageResult, run_key
from ml_pipeline.data import parquet
from ml_pipeline.discovery import find
from ml_pipeline.engines.local import LocalEngine
from tests.benchmarks import data

if TYPE_CHECKING:
    import pyarrow as pa

USE_CASE, CHAMPION = "events", "known-truth"
USE_CASES = Path(__file__).with_name("use_cases")
AS_OF = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
LEFT: tuple[tuple[Mode, str, dict[str, str]], ...] = (
    ("offline", "ingest.events", {"raw.events": "raw"}),
    ("offline", "prepare.events", {"prepared.events": "events"}),
    ("offline", "prepare.readings", {"prepared.readings": "readings"}),
    ("offline", "split", {"train": "events", "validation": "few", "test": "held-out"}),
    ("online", "combine", {"combined": "events"}),
)
"""Mode, step, and per artifact that the step leaves the dataset that it is."""


def folder(root: Path, rows: int) -> Path:
    """Where so many events lie; others where the generator or the product's way of writing is another."""
    sources = b"".join(Path(module.__file__).read_bytes() for module in (data, parquet) if module.__file__)
    return root / "data" / hashlib.sha256(sources).hexdigest()[:8] / str(rows)


def make(place: Path, rows: int, names: tuple[str, ...]) -> None:
    """Make the named datasets that are missing, and say of all that are there which step left them."""
    room = Store(str(place)).within(USE_CASE)
    for name in names:
        if not room.exists(f"data/{name}/{MANIFEST}"):
            write(room, name, rows)
    for mode, step, artifacts in LEFT:
        _leave(room, mode, step, artifacts)
    _crown(room)


def write(room: Store, name: str, rows: int) -> None:
    """Make one dataset."""
    writer = DatasetWriter(room, f"data/{name}", name, data.TIME)
    for table in LocalEngine().map(lambda table: table, _TABLES[name](rows)):
        writer.write(table)
    writer.close({"snapshots": []})


def _events(rows: int, make: Callable[[int], pa.Table] = data.events, first: int = 0) -> list[Callable[[], pa.Table]]:
    """Loaders of parts, the last one cut short."""
    return [
        partial(_cut, make, first + part, min(data.ROWS, rows - part * data.ROWS)) for part in range(data.parts(rows))
    ]


def _cut(make: Callable[[int], pa.Table], number: int, rows: int) -> pa.Table:
    return make(number).slice(0, rows)


def _raw(number: int) -> pa.Table:
    """Text as sources deliver it."""
    import pyarrow as pa

    table = data.events(number)
    plain = [pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]
    return table.cast(pa.schema(plain))


_TABLES: dict[str, Callable[[int], list[Callable[[], Any]]]] = {
    "events": _events,
    "raw": lambda rows: _events(rows, _raw),
    "joined": lambda rows: _events(rows, data.joined),
    "few": lambda rows: _events(1_000, first=data.parts(rows)),
    "held-out": lambda rows: _events(max(rows // 10, 10_000), first=data.parts(rows)),
    "readings": lambda rows: [partial(data.readings, step) for step in range(data.steps(rows))],
}
NAMES = tuple(_TABLES)


def _leave(room: Store, mode: Mode, step: str, artifacts: dict[str, str]) -> None:
    stored = {name: key for name, key in artifacts.items() if room.exists(f"data/{key}/{MANIFEST}")}
    result = StageResult(
        use_case=USE_CASE, mode=mode, stage=step, run_id=mode, as_of=AS_OF, attempt="1", status="done",
        system_version="", artifacts=tuple(_artifact(room, *own) for own in stored.items()), finished=AS_OF,
    )  # fmt: skip
    room.put(run_key(mode, step), msgspec.json.encode(result))


def _artifact(room: Store, name: str, key: str) -> Artifact:
    return msgspec.structs.replace(open_dataset(room, f"data/{key}").artifact(), name=name)


def _crown(room: Store) -> None:
    """Make the coefficients that the labels were drawn with the champion."""
    registry, content = Registry(room), parameters_file.dump(parameters(), "Wide")
    described = Model(
        version=CHAMPION, model="models.Wide", system_version="", as_of=AS_OF.isoformat(), rows=0, seed=data.SEED,
        snapshots=[], made_from={}, system=system_version(find(USE_CASE), {}).components, synthetic=[],
        parameters_sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    registry.add(described, content)
    if not registry.champion():
        registry.promote(
            Promotion(
                number=1, to=CHAMPION, previous="", actor="benchmark", reason="the truth", run="", evidence="",
                as_of=AS_OF.isoformat(), at=AS_OF.isoformat(),
            )
        )  # fmt: skip


def parameters() -> dict[str, Any]:
    """The truth as parameters of the wide model."""
    start, own = find(USE_CASE).load("models.Wide").start(), data.truth()
    levels = {name: dict.fromkeys(data.words(name)) for name in data.LEVELS}
    codes = {name: {word: code for code, word in enumerate([*words, "(other)"])} for name, words in levels.items()}
    named = {name: dict(zip(data.words(name), own.levels[name].tolist(), strict=True)) for name in data.LEVELS}
    coefficients = {**dict(zip(data.NUMBERS, own.numbers.tolist(), strict=True)), **named}
    learnt = {"bias": own.bias, "coefficients": dict(sorted(coefficients.items())), "fit": {}}
    return {"features": [{**start["features"][0], "levels": codes}], "estimator": {**start["estimator"], **learnt}}
