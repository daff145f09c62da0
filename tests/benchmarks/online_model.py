"""The model that online scoring is measured with: trained by the product, and told to the peers as coefficients."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml_pipeline.artifacts.promotion_log import Promotion, now
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import StageRequest
from ml_pipeline.discovery import FOLDERS, find
from ml_pipeline.handlers.snapshots import history
from ml_pipeline.models.levels import OTHER
from ml_pipeline.run import run
from tests.benchmarks import data

USE_CASE, FLIGHTS = "live_events", "flights"
USE_CASES = Path(__file__).with_name("online_case")
AS_OF = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
FLIGHTS_AS_OF = dt.datetime(2013, 9, 1, 4, tzinfo=dt.UTC)
ROWS = 2 * data.ROWS
AFTER = 1_000
"""The part of the events that records to score are taken from, later than any that is learnt from."""
SENT = 2_000
"""Records of which requests are made."""
LEARNING = ("ingest.events", "prepare.events", "combine", "split", "train")
Record = dict[str, Any]


class Learnt(msgspec.Struct, frozen=True):
    """Coefficients by name: of the numbers, and per category of its levels."""

    bias: float
    numbers: dict[str, float]
    levels: dict[str, dict[str, float]]

    def terms(self, record: Record) -> list[float]:
        """25 numbers for a record: its own 20, and what each category adds to the score."""
        levels = [own[record[name]] for name, own in self.levels.items()]
        return [*(record[name] for name in self.numbers), *levels]

    def probability(self, record: Record) -> float:
        """By the formula of the logistic regression."""
        weights = np.array([*self.numbers.values(), *[1.0] * len(self.levels)])
        return float(1.0 / (1.0 + np.exp(-(self.bias + np.array(self.terms(record)) @ weights))))


class Trained(NamedTuple):
    """Where the store is, the versions of the two models in it, and what the champion, the first, has learnt."""

    store: str
    versions: tuple[str, str]
    learnt: Learnt

    @property
    def registry(self) -> Registry:
        """Of the use case that is measured."""
        return Registry(Store(self.store).within(USE_CASE))

    def promote(self, version: str) -> None:
        """By the product's own way, without its gate."""
        last = self.registry.last_promotion()
        number, previous = (last.number, last.to) if last else (0, "")
        entry = Promotion(
            number=number + 1, to=version, previous=previous, actor="benchmark", reason="to see it swapped", run="",
            as_of=AS_OF.isoformat(), evidence="", at=now(),
        )  # fmt: skip
        self.registry.promote(entry)


def train(folder: Path, rows: int = ROWS) -> Trained:
    """Make events, and learn two models from parts of them that differ; the first is champion."""
    os.environ[FOLDERS] = str(USE_CASES)
    store, events = str(folder / "store"), folder / "events"
    _write(events, rows)
    first, second = (_version(store, events, share) for share in ("20%", "25%"))
    trained = Trained(store, (first, second), learnt(Registry(Store(store).within(USE_CASE)).parameters(first)))
    trained.promote(first)
    return trained


def learnt(parameters: Mapping[str, Any]) -> Learnt:
    """What peers are told."""
    estimator = parameters["estimator"]
    own = estimator["coefficients"]
    numbers, levels = {name: own[name] for name in data.NUMBERS}, {name: dict(own[name]) for name in data.LEVELS}
    return msgspec.convert({"bias": estimator["bias"], "numbers": numbers, "levels": levels}, Learnt, strict=False)


def records(known: Learnt) -> list[Record]:
    """Raw records as a caller would send them, none of them learnt from.

    scikit-learn does not know the level of all that is rare, so it goes by its name for all.
    """
    found = _plain(data.events(AFTER).slice(0, SENT)).drop_columns([data.LABEL]).to_pylist()
    return [{**one, data.TIME: one[data.TIME].isoformat(), **_known(one, known)} for one in found]


def train_flights(store: str) -> None:
    """All stages of the worked example."""
    run(StageRequest(FLIGHTS, "offline", (), "offline", FLIGHTS_AS_OF, store))


def flights(store: str) -> list[Record]:
    """The latest raw records of the worked example's own source, without what is known only later."""
    use_case = find(FLIGHTS)
    source = use_case.config.sources[FLIGHTS]
    names = [name for name in use_case.load(source.reader).types if name not in source.truth]
    latest = history(Store(store).within(FLIGHTS), FLIGHTS, FLIGHTS_AS_OF)[-1]
    rows = latest.table(latest.manifest.parts[-1], names).slice(0, SENT).to_pylist()
    return [{**one, "time_hour": one["time_hour"].isoformat()} for one in rows]


def _known(record: Record, known: Learnt) -> Record:
    return {name: record[name] if record[name] in own else OTHER for name, own in known.levels.items()}


def _write(folder: Path, rows: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part in range(data.parts(rows)):
        pq.write_table(_plain(data.events(part).slice(0, rows - part * data.ROWS)), folder / f"{part}.parquet")


def _plain(table: pa.Table) -> pa.Table:
    """Categories as text, as sources deliver them."""
    plain = [pa.field(own.name, pa.string() if pa.types.is_dictionary(own.type) else own.type) for own in table.schema]
    return table.cast(pa.schema(plain)).drop_columns(["moment"])


def _version(store: str, events: Path, test: str) -> str:
    """The model that is learnt without the rows of the test part."""
    changed = {"sources.events.address": str(events), "split.test": test}
    results = run(StageRequest(USE_CASE, "offline", LEARNING, f"test-{test[:-1]}", AS_OF, store, parameters=changed))
    return results[-1].model_version
