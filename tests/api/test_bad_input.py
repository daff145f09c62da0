"""What nobody should send, at every door that takes a body; and a store that breaks off in the middle of a request."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import httpx
import msgspec
import pytest

from ml_pipeline.api.rows import MOST
from ml_pipeline.api.settings import Bounds
from ml_pipeline.artifacts.embedded import Endpoint
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store, _client
from ml_pipeline.contract import StageRequest
from ml_pipeline.run import default_run_id, run
from tests.api.conftest import Clients
from tests.api_site import AS_OF, QUICK, RECORD, Shop, live

pytestmark = pytest.mark.long

DOORS = {
    "score": "/shop/online/serve",
    "infer": "/v2/models/shop/infer",
    "learn": "/shop/online/train",
    "order": "/shop/offline/train",
    "order a batch": "/shop/online/serve?run_id=r",
    "promote": "/models/shop/champion/promote",
    "roll back": "/models/shop/rollback",
}
NOTHING_GOOD = {
    "no JSON": b"not JSON",
    "no UTF-8": b"\xff\xfe",
    "a half": b'{"visit": "v1"',
    "a number": b"17",
    "null": b"null",
    "a text": b'"text"',
    "NaN": b'{"reason": NaN, "parameters": {"seed": NaN}, "pages": NaN}',
    "infinity": b'{"reason": -Infinity, "parameters": {"seed": -Infinity}, "pages": -Infinity}',
    "10 MB of brackets": b"[" * 10_000_000,
    "10 MB of braces": b'{"reason":' * 1_000_000,
    "10 MB of closed brackets": b"[" * 5_000_000 + b"]" * 5_000_000,
}
LABELLED = {**RECORD, "came_at": "2024-06-15T12:00:00Z", "bought": 1}


@pytest.fixture(scope="module")
def learner(use_cases: Path, trained_shop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The use case, which learns online, with a champion."""
    path, store = use_cases / "shop/pipeline.yaml", tmp_path_factory.mktemp("bad") / "store"
    text = path.read_text()
    path.write_text(text.replace("\nsplit: {", "\nlearning: {test: 20%, least: 20}\nsplit: {"))
    yield Shop(use_cases, str(shutil.copytree(trained_shop, store)))
    path.write_text(text)


@pytest.fixture(scope="module")
def doors(learner: Shop) -> Iterator[httpx.Client]:
    """A client of a server with all doors, whose stages end at once."""
    served = live(learner.settings(bounds=QUICK), command=["/bin/true"])
    with served as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def refused(answer: httpx.Response, status: int) -> str:
    """The words of an error, which say nothing of the inside."""
    assert answer.status_code == status, answer.text
    assert not any(word in answer.text for word in ("Traceback", 'File "', "/ml_pipeline/"))
    said = answer.json()["error"]
    assert len(answer.text) < 5000
    return str(said)


@pytest.mark.parametrize("body", NOTHING_GOOD)
@pytest.mark.parametrize("door", DOORS)
def test_no_door_takes_what_is_nothing_good(doors: httpx.Client, door: str, body: str) -> None:
    before = doors.get("/runs").json()
    assert refused(doors.post(DOORS[door], content=NOTHING_GOOD[body]), 422).startswith("DataError")
    assert doors.get("/runs").json() == before


@pytest.mark.parametrize("door", DOORS)
def test_every_door_bounds_a_body(doors: httpx.Client, door: str) -> None:
    assert refused(doors.post(DOORS[door], content=b" " * ((32 << 20) + 1)), 413).startswith("TooLargeError")


WRONG = [
    ("learn", [{**LABELLED, "pages": "three"}, {**LABELLED, "visit": {"a": 1}}], "RejectedError"),
    ("learn", [17, "text"], "RejectedError"),
    ("infer", {"inputs": {"name": "pages"}}, "DataError"),
    ("infer", {"inputs": [{"name": 1, "shape": "x", "datatype": None, "data": {}}]}, "DataError"),
    ("order", {"parameters": {"seed": "x"}}, "ConfigError"),
    ("order", {"parameters": []}, "DataError"),
    ("order", {"force": "yes"}, "DataError"),
    ("order a batch", {"as_of": {}}, "DataError"),
    ("promote", {"reason": 5}, "DataError"),
    ("roll back", {"reason": ["because"]}, "DataError"),
]


@pytest.mark.parametrize(("door", "body", "error"), WRONG)
def test_a_value_of_the_wrong_type_is_refused(doors: httpx.Client, door: str, body: Any, error: str) -> None:
    assert refused(doors.post(DOORS[door], json=body), 422).startswith(error)


BEYOND = [
    ("order", b'{"parameters": {"seed": 1e999}}'),
    ("score", b'{"visit": "v1", "pages": 1e999}'),
    ("learn", b'[{"visit": "v1", "pages": -1e999}]'),
    ("infer", b'{"inputs": [{"name": "pages", "shape": [1], "datatype": "FP64", "data": [1e999]}]}'),
]


@pytest.mark.parametrize(("door", "body"), BEYOND)
def test_a_number_beyond_all_numbers_is_refused(doors: httpx.Client, door: str, body: bytes) -> None:
    refused(doors.post(DOORS[door], content=body), 422)


def test_and_keeps_no_other_record_from_being_learnt(doors: httpx.Client, learner: Shop) -> None:
    strange = b'{"visit": "v2", "unheard_of": 1e999}'
    answer = doors.post(DOORS["learn"], content=b"[" + json.dumps(LABELLED).encode() + b", " + strange + b"]")
    assert answer.status_code == 202, answer.text
    (kept,) = Path(learner.store).glob("shop/raw/*sent*/*/manifest.yaml")
    assert "the record is not JSON: 1" in kept.read_text()


@pytest.mark.parametrize("door", ["learn", "infer"])
def test_a_request_has_at_most_so_many_rows(doors: httpx.Client, door: str) -> None:
    column = {"name": "pages", "shape": [MOST + 1], "datatype": "FP64", "data": [None] * (MOST + 1)}
    body = {"inputs": [column]} if door == "infer" else [{"visit": "v"}] * (MOST + 1)
    assert refused(doors.post(DOORS[door], json=body), 413).startswith("TooLargeError")


@pytest.mark.parametrize(
    "path",
    [
        "/none/online/serve",
        "/none/online/train",
        "/flights/online/serve",
        "/v2/models/none/infer",
        "/v2/models/flights/infer",
        "/models/none/champion/promote",
        "/shop/online/nothing",
        "/shop/offline/none.shop",
        "/shop/nothing/serve",
        "/Shop/online/serve",
        "/shop/online/serve/",
        "/%2e%2e/online/serve",
        "/shop%00/online/serve",
    ],
)
def test_a_use_case_or_a_stage_that_there_is_none_of_is_not_found(doors: httpx.Client, path: str) -> None:
    refused(doors.post(path, json={"reason": "seen"} if "promote" in path else RECORD), 404)


def test_a_model_that_was_never_promoted_scores_only_where_it_is_named(shop: Shop, client_of: Clients) -> None:
    registry = Registry(Store(shop.store).within("shop"))
    champion = registry.champion()
    request = StageRequest("shop", "offline", (), default_run_id("offline", AS_OF), AS_OF, shop.store)
    run(
        msgspec.structs.replace(
            request, stages=("ingest", "prepare", "combine", "split", "train"), parameters={"seed": 9}
        )
    )
    (candidate,) = set(registry.versions()) - {champion}
    client = client_of(shop.settings())
    assert client.post(DOORS["score"], json=RECORD).json()["model_version"] == champion
    named = client.post(DOORS["score"], params={"model_version": candidate}, json=RECORD)
    assert (named.status_code, named.json()["model_version"]) == (200, candidate)
    inputs = [{"name": "pages", "shape": [1], "datatype": "FP64", "data": [1.0]}]
    ready = client.get(f"/v2/models/shop/versions/{candidate}/ready")
    assert ready.status_code == 200, ready.text
    assert client.post(f"/v2/models/shop/versions/{candidate}/infer", json={"inputs": inputs}).status_code == 422
    assert client.get("/models/shop/champion").json()["version"] == champion


class Relay(ThreadingTCPServer):
    """Before a store; it passes on all that is said, or half an answer, or none."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self.store, self.share = (host, int(port)), 1.0
        self.speaks = threading.Event()
        super().__init__(("127.0.0.1", 0), _Passing)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Passing(BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with socket.create_connection(self.server.store) as store, suppress(OSError):
            threading.Thread(target=self._ask, args=(store,), daemon=True).start()
            while piece := store.recv(65536):
                self.server.speaks.wait(60)
                self.request.sendall(piece[: int(len(piece) * self.server.share)])
                if self.server.share < 1:
                    return

    def _ask(self, store: socket.socket) -> None:
        with suppress(OSError):
            while piece := self.request.recv(65536):
                store.sendall(piece)
            store.shutdown(socket.SHUT_WR)


@pytest.fixture
def relay(s3: Store, server: Endpoint, use_cases: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Between all clients of this process and a store in which shop is trained."""
    run(StageRequest("shop", "offline", (), default_run_id("offline", AS_OF), AS_OF, s3.uri))
    with Relay(server.url) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        relay.speaks.set()
        monkeypatch.setenv("AWS_ENDPOINT_URL", relay.url)
        _client.cache_clear()
        yield relay
        relay.speaks.set()
        relay.shutdown()
        _client.cache_clear()


@pytest.mark.store
@pytest.mark.parametrize("silent", [False, True], ids=["half an answer", "no answer"])
def test_a_store_that_goes_away_in_the_middle_of_a_request_is_a_503(
    relay: Relay, s3: Store, use_cases: Path, client_of: Clients, silent: bool
) -> None:
    client = client_of(Shop(use_cases, s3.uri).settings(bounds=Bounds(seconds=1.0 if silent else 30.0)))
    assert client.post(DOORS["score"], json=RECORD).status_code == 200
    if silent:
        relay.speaks.clear()
    else:
        relay.share = 0.5
    for method, path, body in (
        ("GET", "/models/shop", None),
        ("POST", DOORS["order"], {"as_of": "2024-06-16"}),
        ("POST", DOORS["promote"], {"reason": "seen"}),
        ("POST", f"{DOORS['score']}?model_version=0123456789abcdef", RECORD),
    ):
        answer = client.request(method, path, json=body)
        refused(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
    assert client.post(DOORS["score"], json=RECORD).status_code == 200
    relay.speaks.set()
    relay.share = 1.0
    assert client.get("/models/shop").status_code == 200
