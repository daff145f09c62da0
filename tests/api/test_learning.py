"""Labelled records over REST: kept at once, then learnt by a run like any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import Clients
from tests.api_site import QUICK, Shop, await_true

LEARN = "/shop/online/train"
RECORDS = [
    {
        "visit": f"n{number}",
        "came_at": "2024-06-15T12:00:00Z",
        "device": "phone",
        "pages": number % 9,
        "bought": number % 2,
    }
    for number in range(40)
]


@pytest.fixture
def learner(shop: Shop) -> Iterator[Shop]:
    """The use case, which learns online."""
    path = shop.folder / "shop/pipeline.yaml"
    text = path.read_text()
    path.write_text(text.replace("\nsplit: {", "\nlearning: {test: 20%, least: 20}\nsplit: {"))
    yield shop
    path.write_text(text)


def over(client: httpx.Client, run: str) -> dict[str, Any]:
    """A run that has ended."""

    def found() -> Any:
        said = client.get(f"/runs/{run}").json()
        return said if said["state"] not in ("queued", "running") else None

    result: dict[str, Any] = await_true(found, patience=90)
    return result


@pytest.mark.long
def test_records_are_learnt_by_a_run(learner: Shop, client_of: Clients) -> None:
    client = client_of(learner.settings())
    before = client.get("/models/shop/champion").json()["version"]
    answer = client.post(LEARN, json=RECORDS)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["mode"], answer.json()["service"]) == ("learning", "online/train")
    done = over(client, answer.json()["id"])
    assert done["state"] == "done", done
    (trained,) = [result for result in done["results"] if result["stage"] == "train"]
    assert client.get(f"/models/shop/{trained['model_version']}").json()["start"] == before


def test_the_same_key_keeps_them_once(learner: Shop, client_of: Clients, tmp_path: Path) -> None:
    client = client_of(learner.settings(bounds=QUICK), command=["/bin/true"])
    key = {"Idempotency-Key": "k"}
    first, again = (client.post(LEARN, json=RECORDS, headers=key) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    other = client.post(LEARN, json=RECORDS[:1], headers=key)
    assert (other.status_code, other.json()["error"]) == (409, "ConflictError")
    kept = [path for path in Path(learner.store).glob("shop/raw/*sent*/*") if path.is_dir()]
    assert len(kept) == 1


def test_what_is_no_record_is_said_so(learner: Shop, client_of: Clients) -> None:
    client = client_of(learner.settings(bounds=QUICK), command=["/bin/true"])
    for body in (b"", b"!", b"[" * 1_000_000, json.dumps("text").encode()):
        answer = client.post(LEARN, content=body)
        assert (answer.status_code, answer.json()["error"]) == (422, "DataError"), answer.text
    assert client.get("/runs").json() == []


def test_it_is_described(learner: Shop, client_of: Clients) -> None:
    client = client_of(learner.settings(services=("online/train",)))
    paths = client.get("/openapi.json").json()["paths"]
    assert [path for path in paths if path.startswith("/shop/")] == [LEARN]
    schema = paths[LEARN]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "bought" in schema["anyOf"][0]["properties"]


def test_a_use_case_that_does_not_learn_has_no_such_route(client: httpx.Client) -> None:
    assert client.post(LEARN, json=RECORDS).status_code == 404
