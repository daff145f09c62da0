"""Prometheus reads what monitoring found last, whether the store answers meanwhile or not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ml_pipeline.api import monitoring_metrics
from ml_pipeline.api.settings import Settings
from ml_pipeline.artifacts.store import Store
from ml_pipeline.monitoring.severity import SEVERITIES
from tests.api.conftest import Clients, Stoppable
from tests.api_site import Shop, await_true, live
from tests.conftest import AS_OF

if TYPE_CHECKING:
    from tests.conftest import Parcels

DAY = dt.timedelta(days=1)
SUMMARY = b"""{"as_of": "2024-02-08T23:00:00Z", "finished": "2024-02-09T01:00:00Z", "severity": "watch",
"models": {"m1": {"predicted": 8, "known": 6, "metric": "mae", "value": {"value": 2.5, "low": 2.0, "high": null}}},
"drifted": {"watch": 3, "act": 0}}"""
KEY = "monitoring/20240208T230000Z/summary.json"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers look at the store all the time."""
    monkeypatch.setattr(monitoring_metrics, "SECONDS", 0.05)


def scraped(client: httpx.Client, name: str) -> dict[tuple[str, ...], float]:
    """Values of a gauge by its labels but that of the use case, in the order of their names."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    samples = [own for found in text_string_to_metric_families(answer.text) for own in found.samples]
    named = [own for own in samples if own.name == f"ml_pipeline_{name}"]
    return {
        tuple(value for label, value in sorted(own.labels.items()) if label != "use_case"): own.value for own in named
    }


@pytest.fixture
def watched(champion: Parcels, client_of: Clients) -> tuple[Parcels, httpx.Client]:
    """Parcels, monitored, and a client of a server that offers it."""
    for day in range(3):
        champion.run("online", as_of=AS_OF + day * DAY)
    champion.run("monitoring", as_of=AS_OF + 4 * DAY, parameters={"monitoring": {"least": 20}})
    client = client_of(Settings(use_cases=("parcels",), store=champion.store, services=("offline/train",)))
    await_true(lambda: scraped(client, "monitoring_severity"))
    return champion, client


def test_a_scrape_tells_what_the_last_run_found(watched: tuple[Parcels, httpx.Client]) -> None:
    parcels, client = watched
    result = parcels.run("monitoring", as_of=AS_OF + 4 * DAY, parameters={"monitoring": {"least": 20}})["monitor"]
    version = parcels.registry.champion()
    metric = result.metrics[version]["metrics"]["roc_auc"]
    assert scraped(client, "monitoring_severity") == {(): SEVERITIES.index(result.verdict["severity"])}
    found = scraped(client, "live_metric")
    assert {bound: value for (bound, *_), value in found.items()} == metric
    assert {labels[1:] for labels in found} == {("roc_auc", version)}
    assert scraped(client, "truth_coverage") == {(version,): 1.0}
    assert 0 <= scraped(client, "monitoring_age_seconds")[()] < 3600
    trained = dt.datetime.fromisoformat(parcels.registry.model(version).as_of)
    age = (dt.datetime.now(dt.UTC) - trained).total_seconds()
    assert scraped(client, "champion_age_seconds")[()] == pytest.approx(age, abs=600)


def test_a_later_run_takes_the_place_of_the_one_before(watched: tuple[Parcels, httpx.Client]) -> None:
    parcels, client = watched
    parcels.room.put("monitoring/20300101T000000Z/summary.json", SUMMARY)
    await_true(lambda: ("m1",) in scraped(client, "truth_coverage"))
    assert scraped(client, "truth_coverage") == {("m1",): 0.75}
    assert scraped(client, "drifted_columns") == {("watch",): 3, ("act",): 0}
    assert scraped(client, "live_metric")["value", "mae", "m1"] == 2.5


def test_where_the_last_run_is_deleted_the_one_before_it_counts(watched: tuple[Parcels, httpx.Client]) -> None:
    parcels, client = watched
    before = scraped(client, "truth_coverage")
    parcels.room.put("monitoring/20300101T000000Z/summary.json", SUMMARY)
    await_true(lambda: ("m1",) in scraped(client, "truth_coverage"))
    parcels.room.delete("monitoring/20300101T000000Z/summary.json")
    await_true(lambda: scraped(client, "truth_coverage") == before)


def test_a_summary_that_cannot_be_read_leaves_what_was_there(watched: tuple[Parcels, httpx.Client]) -> None:
    parcels, client = watched
    before = scraped(client, "live_metric")
    parcels.room.put("monitoring/20300101T000000Z/summary.json", b"cut of")
    await_true(lambda: scraped(client, "monitoring_stale_seconds")[()] > 1)
    assert scraped(client, "live_metric") == before != {}


def test_what_was_never_monitored_has_no_severity(empty_shop: Shop, client_of: Clients) -> None:
    client = client_of(empty_shop.settings(services=("offline/train",)))
    assert scraped(client, "monitoring_severity") == {}
    assert () in scraped(client, "monitoring_stale_seconds")


@pytest.mark.store
def test_where_the_store_goes_away_values_stay_and_grow_old(use_cases: Path, stoppable: Stoppable) -> None:
    Store(stoppable.uri).within("shop").put(KEY, SUMMARY)
    settings = Shop(use_cases, stoppable.uri).settings(services=("offline/train",))
    with live(settings) as url, httpx.Client(base_url=url, timeout=60) as client:
        await_true(lambda: scraped(client, "monitoring_severity"))
        stoppable.stop()
        await_true(lambda: scraped(client, "monitoring_stale_seconds")[()] > 3)
        assert scraped(client, "monitoring_severity") == {(): SEVERITIES.index("watch")}
        assert scraped(client, "truth_coverage") == {("m1",): 0.75}
        stoppable.start()
        await_true(lambda: scraped(client, "monitoring_stale_seconds")[()] < 3)
