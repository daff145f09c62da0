"""Flights that have landed since the model was trained, on the real records of 2013."""

from __future__ import annotations

import datetime as dt
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.columns import Category, Column
from ml_pipeline.contract import StageRequest, StageResult, moment
from ml_pipeline.data import json_values
from ml_pipeline.discovery import find
from ml_pipeline.learning import learn
from ml_pipeline.models import LogisticRegression
from ml_pipeline.run import run
from ml_pipeline.use_cases.flights import models, sources

pytestmark = pytest.mark.records

TRAINED, LEARNT = moment("2013-03-01", "America/New_York"), moment("2013-03-11", "America/New_York")
QUARTER = (b"year", b"2013,1,", b"2013,2,", b"2013,3,")
SHORT: dict[str, Any] = {
    "split.validation": "7d", "split.test": "14d", "evaluate.floors": {"roc_auc": 0.55}, "evaluate.replicates": 20,
}  # fmt: skip


class Learning(NamedTuple):
    """A training as of the first of March, and what was learnt in the ten days after it."""

    store: str
    offline: dict[str, StageResult]
    learning: dict[str, StageResult]

    @property
    def registry(self) -> Registry:
        """Its models."""
        return Registry(Store(self.store).within("flights"))

    def columns(self, results: dict[str, StageResult], name: str) -> dict[str, Column]:
        """The one dataset that was left under a name."""
        (key,) = (own.key for result in results.values() for own in result.artifacts if own.name == name)
        return open_dataset(self.registry.store, key).columns()


def _run(store: str, mode: Any, as_of: dt.datetime) -> dict[str, StageResult]:
    return {own.stage: own for own in run(StageRequest("flights", mode, (), mode, as_of, store, parameters=SHORT))}


@pytest.fixture(scope="module")
def march(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Learning]:
    store = tmp_path_factory.mktemp("flights")
    quarter = store.with_name("first-quarter.csv")
    with zipfile.ZipFile(sources.data_file("flights.csv.zip")) as archive:
        lines = archive.read(archive.namelist()[0]).splitlines(keepends=True)
    quarter.write_bytes(b"".join(line for line in lines if line.startswith(QUARTER)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources.flights, "address", quarter)
        patch.setattr(models.LatenessModel, "estimator", LogisticRegression(ridge=1000.0))
        yield Learning(str(store), _run(str(store), "offline", TRAINED), _run(str(store), "learning", LEARNT))


def test_it_learns_the_flights_that_have_landed_since_and_no_others(march: Learning) -> None:
    rows = march.columns(march.learning, "combined")
    departures = np.asarray(rows["scheduled_departure"], "datetime64[us]")
    # A flight takes twelve hours at most, and an hour later it is known; it takes half an hour at least.
    assert departures.min() > np.datetime64(TRAINED.replace(tzinfo=None)) - np.timedelta64(13, "h")
    assert departures.max() < np.datetime64(LEARNT.replace(tzinfo=None)) - np.timedelta64(1, "h")
    before = march.columns(march.offline, "combined")["flight_id"]
    assert isinstance(before, Category)
    assert isinstance(rows["flight_id"], Category)
    assert not set(before.values()) & set(rows["flight_id"].values())
    assert 8000 < len(rows["flight_id"]) < 10_500


def test_what_it_learnt_makes_it_better_on_flights_it_has_not_seen(march: Learning) -> None:
    found = march.registry.metrics(march.learning["train"].model_version)
    assert found["champion"] == march.offline["train"].model_version
    assert found["rows"] > 2000
    assert found["difference"]["log_loss"]["high"] < 0.0
    assert march.learning["promote"].status == ("done" if found["verdict"]["passed"] else "skipped")


def test_the_same_flights_sent_as_records_teach_the_same(march: Learning, tmp_path: Path) -> None:
    """Late truth by its two ways: a store in which nothing is known of those days but by what is sent."""
    results = {**march.learning}
    (new,) = (own.key for own in results["ingest.flights"].artifacts if own.name == "new.flights")
    dataset = open_dataset(march.registry.store, new)
    names = [*sources.flights.types]
    records = [row for part in dataset.manifest.parts for row in json_values.of_table(dataset.table(part), names)]
    _run(str(tmp_path), "offline", TRAINED)
    # The other sources know what they knew when it was learnt: those of the night before are enough for most.
    use_case = find("flights", SHORT)
    sent = {own.stage: own for own in learn(use_case, str(tmp_path), json.dumps(records).encode(), LEARNT)}
    assert sent["combine"].rows_out == results["combine"].rows_out
    room = Store(str(tmp_path)).within("flights")
    (key,) = (own.key for own in sent["combine"].artifacts)
    ours, theirs = open_dataset(room, key).columns(), march.columns(results, "combined")
    for name in ("late", "flight_id", "moment", "seats", "distance"):
        one, other = ours[name], theirs[name]
        same = one.values() == other.values() if isinstance(one, Category) else one.tobytes() == other.tobytes()
        assert same, name
