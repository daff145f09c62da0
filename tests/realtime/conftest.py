"""The use case `parcels` trained, scored in batch, and behind a service in this process."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ml_pipeline.data import json_values
from ml_pipeline.discovery import find
from ml_pipeline.errors import RejectedError
from ml_pipeline.handlers.rest_door import RestDoor
from ml_pipeline.realtime import follower, journal
from ml_pipeline.realtime.service import ScoringService
from tests.conftest import Parcels, installed


class Scored(NamedTuple):
    """Parcels, the raw records of a scoring run, and the table that batch made of them (without the rank)."""

    parcels: Parcels
    records: list[dict[str, Any]]
    table: list[dict[str, Any]]

    def service(self, **more: Any) -> ScoringService:
        """A service over its store; not started."""
        return ScoringService(find("parcels"), self.parcels.store, **more)


@pytest.fixture(scope="session")
def finished(template: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which parcels is trained and scored, to be copied."""
    store = shutil.copytree(trained, tmp_path_factory.mktemp("finished") / "store")
    with installed(template):
        Parcels(template, str(store)).run("online")
    return store


@pytest.fixture
def scored(parcels: Parcels, finished: Path) -> Scored:
    """Records and what batch made of them."""
    shutil.copytree(finished, parcels.store)
    results = parcels.run("online")
    new = parcels.dataset(results, "new.parcels")
    names = ["parcel_id", "customer", "depot", "weight", "pickup"]
    records = [row for part in new.manifest.parts for row in json_values.of_table(new.table(part), names)]
    columns = parcels.dataset(results, "scored").columns()
    values = {name: json_values.of_column(column) for name, column in columns.items() if name != "rank"}
    return Scored(parcels, records, [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)])


@pytest.fixture
def service(scored: Scored, started: Callable[[ScoringService], ScoringService]) -> ScoringService:
    """The service, at work."""
    return started(scored.service())


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Followers look, and the journal stores, many times a second."""
    monkeypatch.setattr(follower, "CHAMPION_SECONDS", 0.02)
    monkeypatch.setattr(follower, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(journal, "GATHER_SECONDS", 0.02)
    monkeypatch.setattr(journal, "FLUSH_SECONDS", 0.05)


def body(records: Any) -> bytes:
    """A record, or several, as JSON."""
    return json.dumps(records).encode()


def answer(content: bytes) -> dict[str, Any]:
    """What was answered."""
    found: dict[str, Any] = json.loads(content)
    return found


def without_rank(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of an answer; the rank compares records, so there is none."""
    assert {row["rank"] for row in rows} <= {None}
    return [{name: value for name, value in row.items() if name != "rank"} for row in rows]


class Directly(RestDoor):
    """The service in this process, without HTTP; `spoil` may change what it answers."""

    def __init__(self, service: ScoringService, spoil: Callable[[Any], None] = lambda _: None) -> None:
        self.service, self.spoil = service, spoil

    def score(self, use_case: str, body: bytes, as_of: dt.datetime, model_version: str) -> Any:
        try:
            found = json.loads(self.service.score_json(body, version=model_version, as_of=as_of))
        except RejectedError as error:
            found = {"predictions": [], "set_aside": error.as_dict()["set_aside"]}
        self.spoil(found)
        return found
