from __future__ import annotations

import httpx

from ml_pipeline.api.settings import Settings
from tests.api.conftest import Clients
from tests.api_site import RECORD, Shop


def value(client: httpx.Client, series: str) -> float:
    """Of a series."""
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{series} ")]
    assert len(lines) == 1, (series, lines)
    return float(lines[0].rpartition(" ")[2])


def test_what_is_scored_and_served_is_told(shop: Shop, client_of: Clients) -> None:
    client = client_of(shop.settings())
    client.post("/shop/online/serve", json=[{**RECORD, "visit": name} for name in "abc"])
    client.post("/shop/online/serve", json=RECORD)
    assert value(client, 'ml_pipeline_scored_rows_total{use_case="shop"}') == 4
    assert value(client, 'ml_pipeline_champion_swaps_total{use_case="shop"}') == 0
    assert value(client, 'ml_pipeline_rows_waiting{use_case="shop"}') >= 0
    version = client.get("/models/shop/champion").json()["version"]
    assert value(client, f'ml_pipeline_champion{{model_version="{version}",use_case="shop"}}') == 1
    assert value(client, 'ml_pipeline_runs{state="running"}') == 0


def test_each_server_counts_for_itself(shop: Shop, client_of: Clients) -> None:
    settings: Settings = shop.settings()
    first, second = client_of(settings), client_of(settings)
    first.get("/health")
    assert value(first, 'ml_pipeline_request_seconds_count{route="/health",status="200"}') == 1
    assert "/health" not in second.get("/metrics").text
