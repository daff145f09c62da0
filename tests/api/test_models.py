from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import Result

from ml_pipeline.api.tokens import add
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import StageRequest
from ml_pipeline.run import default_run_id, run
from tests.api.conftest import Clients
from tests.api_site import AS_OF, Shop

WHY = {"reason": "seen and approved"}


@pytest.fixture
def two(shop: Shop) -> tuple[Shop, str, str]:
    """A store with two champions, one after the other: the second reigns."""
    registry = Registry(Store(shop.store).within("shop"))
    first = registry.champion()
    later = AS_OF + dt.timedelta(days=1)
    run(StageRequest("shop", "offline", (), default_run_id("offline", later), later, shop.store, {"seed": 7}))
    (second,) = set(registry.versions()) - {first}
    if registry.champion() == first:
        from ml_pipeline.discovery import find
        from ml_pipeline.lineage.succession import promote

        promote(find("shop"), registry, second, "for the test")
    return shop, first, second


def test_models_are_listed_as_by_the_command_line(
    client: httpx.Client, trained_shop: str, command: Callable[..., Result]
) -> None:
    import json

    listed = json.loads(command("models", "list", "shop", "--store", trained_shop, "--json").stdout)
    assert client.get("/models/shop").json() == [{"use_case": "shop", **row} for row in listed]
    assert client.get("/models").json() == client.get("/models", params={"use_case": "shop"}).json()


def test_a_model_is_shown_with_its_card_and_its_files(client: httpx.Client) -> None:
    page = client.get("/models/shop/champion").json()
    assert page["champion"] is True
    assert page["metrics"]["roc_auc"]["value"] > 0.5
    assert page["card"]
    parameters = client.get(page["links"]["parameters.yaml"])
    assert parameters.headers["content-type"].startswith("application/yaml")
    assert yaml.safe_load(parameters.content)["parameters"]
    assert client.get(f"/models/shop/{page['version'][:6]}").json() == page
    for link in page["links"].values():
        assert client.get(link).status_code == 200


def test_the_promotion_log_is_shown(client: httpx.Client) -> None:
    (entry,) = client.get("/models/shop/promotions").json()
    assert (entry["number"], entry["actor"]) == (1, "gate")


def test_the_way_back_and_forth(two: tuple[Shop, str, str], client_of: Clients) -> None:
    shop, first, second = two
    client = client_of(shop.settings())
    back = client.post("/models/shop/rollback", json=WHY)
    assert (back.status_code, back.json()["entry"]["to"], back.json()["entry"]["kind"]) == (200, first, "rollback")
    assert back.json()["entry"]["actor"] == getpass.getuser()
    forth = client.post(f"/models/shop/{second}/promote", json={"reason": "it was better"})
    assert (forth.json()["entry"]["to"], forth.json()["entry"]["reason"]) == (second, "it was better")
    named = client.post(f"/models/shop/{first}/rollback", json=WHY).json()
    assert named["entry"]["to"] == first
    assert [entry["to"] for entry in client.get("/models/shop/promotions").json()][-3:] == [first, second, first]


def test_a_promotion_over_rest_is_served_at_once(two: tuple[Shop, str, str], client_of: Clients) -> None:
    from tests.api_site import RECORD, await_true

    shop, first, _ = two
    client = client_of(shop.settings())
    client.post(f"/models/shop/{first}/promote", json=WHY)
    await_true(lambda: client.post("/shop/online/serve", json=RECORD).json()["model_version"] == first, patience=5)
    said = client.get("/metrics").text
    assert f'ml_pipeline_champion{{model_version="{first}",use_case="shop"}} 1.0' in said
    assert 'ml_pipeline_champion_swaps_total{use_case="shop"} 1.0' in said


def test_the_log_names_the_token(two: tuple[Shop, str, str], client_of: Clients, tmp_path: Path) -> None:
    shop, first, _ = two
    secret = add(tmp_path / "tokens.yaml", "deputy", ["promote"])
    client = client_of(shop.settings(tokens=str(tmp_path / "tokens.yaml")))
    answer = client.post(f"/models/shop/{first}/promote", json=WHY, headers={"Authorization": f"Bearer {secret}"})
    assert answer.json()["entry"]["actor"] == "deputy"


def test_two_promotions_at_once_cannot_both_win(
    two: tuple[Shop, str, str], client_of: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, _, second = two
    registry = Registry(Store(shop.store).within("shop"))
    stale = registry.log.entry(1)
    monkeypatch.setattr(Registry, "last_promotion", lambda self: stale)
    answer = client_of(shop.settings()).post(f"/models/shop/{second}/promote", json=WHY)
    assert (answer.status_code, answer.json()["what"]) == (409, "another promotion came first")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/models/shop/champion/promote", b'{"reason": "again"}', 422),
        ("/models/shop/champion/promote", b'{"reason": " "}', 422),
        ("/models/shop/champion/promote", b"", 422),
        ("/models/shop/champion/promote", b"[" * 100_000, 422),
        ("/models/shop/champion/promote", b'{"reason": "x", "actor": "gate"}', 422),
        ("/models/shop/0123456789/promote", b'{"reason": "x"}', 404),
        ("/models/shop/rollback", b'{"reason": "x"}', 422),
        ("/models/none/rollback", b'{"reason": "x"}', 404),
    ],
)
def test_what_cannot_be_decided_is_refused(client: httpx.Client, path: str, body: bytes, status: int) -> None:
    answer = client.post(path, content=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["what"]
    assert len(client.get("/models/shop/promotions").json()) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/models/none",
        "/models/shop/0123456789abcdef",
        "/models/shop/champion/golden.parquet",
        "/models/shop/champion/%2e%2e",
        "/models/shop/x/parameters.yaml",
        "/models?use_case=none",
    ],
)
def test_what_is_not_there_is_said_so(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_before_training_there_are_none(empty_shop: Shop, client_of: Clients) -> None:
    client = client_of(empty_shop.settings())
    assert client.get("/models").json() == []
    assert client.get("/models/shop/promotions").json() == []
    answer: Any = client.get("/models/shop/champion")
    assert (answer.status_code, answer.json()["what"]) == (422, "there is no champion yet")
