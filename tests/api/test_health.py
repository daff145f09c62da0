from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import StageRequest
from ml_pipeline.run import default_run_id, run
from tests.api.conftest import Clients, Stoppable
from tests.api_site import AS_OF, RECORD, Shop, await_true, live


def test_a_server_that_can_do_its_work_says_so(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"ready": True, "checks": {"store": "", "shop/online/serve": ""}}


def test_one_without_a_champion_says_what_is_missing(empty_shop: Shop, client_of: Clients) -> None:
    client = client_of(empty_shop.settings())
    assert client.get("/health").status_code == 200
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["store"] == ""
    assert "champion" in answer.json()["checks"]["shop/online/serve"]


def test_one_that_only_trains_is_ready_without_a_champion(empty_shop: Shop, client_of: Clients) -> None:
    client = client_of(empty_shop.settings(services=("offline/train",)))
    assert client.get("/ready").json() == {"ready": True, "checks": {"store": ""}}


def asked_of_the_store(client: httpx.Client) -> list[httpx.Response]:
    """Answers to questions that the store has to answer."""
    return [
        client.get("/models/shop"),
        client.post("/shop/offline/train"),
        client.get("/runs"),
        client.get("/ready"),
        client.post("/shop/online/serve?model_version=0123456789abcdef", json=RECORD),
    ]


@pytest.mark.store
def test_a_store_that_goes_away_is_a_503_and_scoring_goes_on(use_cases: Path, stoppable: Stoppable) -> None:
    run(StageRequest("shop", "offline", (), default_run_id("offline", AS_OF), AS_OF, stoppable.uri))
    assert Store(stoppable.uri).within("shop").keys("models/")
    settings = Shop(use_cases, stoppable.uri).settings()
    with live(settings) as url, httpx.Client(base_url=url, timeout=60) as client:
        assert client.get("/ready").status_code == 200
        assert client.post("/shop/online/serve", json=RECORD).status_code == 200
        stoppable.stop()
        for answer in asked_of_the_store(client):
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["retry-after"]) > 0
            assert "the object store did not answer as it should" in answer.text
            assert "Traceback" not in answer.text
        assert client.post("/shop/online/serve", json=RECORD).status_code == 200
        stoppable.start()
        await_true(lambda: client.get("/ready").status_code == 200)
