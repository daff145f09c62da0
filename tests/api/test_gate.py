"""How much at once, how long, and what a connection that hangs gets: of a real server."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import httpx
import pytest

from ml_pipeline.api import protocol
from ml_pipeline.api.settings import Bounds
from ml_pipeline.realtime.service import ScoringService
from tests.api.conftest import Clients
from tests.api_site import RECORD, Shop, await_true, live

pytestmark = pytest.mark.long

SERVE = "/shop/online/serve"
HEAD = b"POST /shop/online/serve HTTP/1.1\r\nhost: localhost\r\n"


def connected(url: str) -> socket.socket:
    """A connection to a server."""
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def _send_slowly(connection: socket.socket) -> None:
    for _ in range(200):
        connection.sendall(b" ")
        time.sleep(0.05)


def _send_headers(connection: socket.socket) -> None:
    for number in range(100_000):
        connection.sendall(b"x-%d: y\r\n" % number)
    received(connection)


def received(connection: socket.socket) -> bytes:
    """All that comes, until the other side hangs up."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /shop/onl",
        HEAD,
        HEAD + b"content-length: 100\r\n\r\n" + b'{"visit": ',
        HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n",
        b"POST /shop/offline/train HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{",
    ],
    ids=["nothing", "half a line", "half a head", "half a body", "half its chunks", "half an order"],
)
def test_a_client_that_hangs_is_cut_off(shop: Shop, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(protocol, "SECONDS", 0.3)
    with live(shop.settings()) as url, connected(url) as connection:
        connection.sendall(sent)
        answer = received(connection)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b"application/problem+json" in answer
        assert httpx.post(f"{url}{SERVE}", json=RECORD).status_code == 200


def test_a_client_that_sends_slowly_is_cut_off_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SECONDS", 0.5)
    with live(shop.settings()) as url, connected(url) as connection:
        connection.sendall(HEAD + b"content-length: 1000\r\n\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            _send_slowly(connection)


def test_a_connection_may_rest_between_requests(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SECONDS", 0.3)
    with live(shop.settings()) as url, httpx.Client(base_url=url) as client:
        assert client.post(SERVE, json=RECORD).status_code == 200
        time.sleep(0.6)
        assert client.post(SERVE, json=RECORD).status_code == 200


def test_a_head_without_end_is_cut_off(shop: Shop) -> None:
    with live(shop.settings()) as url, connected(url) as connection:
        connection.sendall(HEAD)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            _send_headers(connection)


def test_a_large_body_after_a_head_is_no_head(client: httpx.Client) -> None:
    record = {**RECORD, "device": "d" * 200_000}
    assert client.post(SERVE, json=record).status_code == 200


def test_a_client_that_never_reads_is_cut_off(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SECONDS", 0.5)
    body = json.dumps([{**RECORD, "visit": f"{number:0100d}"} for number in range(20_000)]).encode()
    with live(shop.settings()) as url, connected(url) as connection:
        connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        await_true(lambda: f'route="{SERVE}",status="200"' in httpx.get(f"{url}/metrics").text)
        time.sleep(1.5)
        answer = b""
        with suppress(ConnectionResetError):
            answer = received(connection)
        length = re.search(rb"content-length: (\d+)", answer)
        assert length is None or len(answer) < int(length[1])
        assert httpx.post(f"{url}{SERVE}", json=RECORD).status_code == 200


def test_one_that_leaves_harms_nobody(shop: Shop) -> None:
    with live(shop.settings()) as url:
        with connected(url) as connection:
            connection.sendall(HEAD + b"content-length: 100\r\n\r\n{")
        assert httpx.post(f"{url}{SERVE}", json=RECORD).status_code == 200
        await_true(lambda: 'status="499"' in httpx.get(f"{url}/metrics").text)


def test_several_requests_of_one_connection_are_answered_in_order(client: httpx.Client) -> None:
    with connected(str(client.base_url).rstrip("/")) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n" * 2)
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert received(connection).count(b'{"status":"alive"}') == 3


def test_no_more_than_so_many_at_once(shop: Shop, client_of: Clients) -> None:
    client = client_of(shop.settings(bounds=Bounds(requests=1)))
    with connected(str(client.base_url).rstrip("/")) as connection:
        connection.sendall(HEAD + b"content-length: 100\r\n\r\n{")

        def refused() -> Any:
            answer = client.post(SERVE, json=RECORD)
            return answer if answer.status_code == 429 else None

        answer = await_true(refused)
        assert answer.json()["error"] == "TooManyError"
        assert int(answer.headers["retry-after"]) > 0
        assert client.get("/runs").status_code == 429
    await_true(lambda: client.post(SERVE, json=RECORD).status_code == 200)


def test_what_takes_too_long_is_given_up(shop: Shop, client_of: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def slow(self: Any, body: bytes, **_: Any) -> bytes:
        go.wait(20)
        return b"{}"

    client = client_of(shop.settings(bounds=Bounds(seconds=0.3)))
    monkeypatch.setattr(ScoringService, "score_json", slow)
    monkeypatch.setattr(ScoringService, "check_ready", lambda self: go.wait(20))
    try:
        many = client.post(SERVE, json=[RECORD] * 3000)
        watch = client.get("/v2/models/shop/ready")
    finally:
        go.set()
    for answer in (many, watch):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
    assert many.json()["error"] == "BusyError"
    assert watch.json()["error"].startswith("BusyError")


def test_what_nobody_foresaw_says_nothing_of_the_inside(
    shop: Shop, client_of: Clients, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Any, *_: Any, **__: Any) -> bytes:
        raise ZeroDivisionError("a secret of the inside")

    client = client_of(shop.settings())
    for name in ("score_json", "predict", "check_ready"):
        monkeypatch.setattr(ScoringService, name, broken)
    for answer in (client.post(SERVE, json=RECORD), client.get("/v2/models/shop/ready"), client.get("/ready")):
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "ZeroDivisionError" in answer.text
    assert "a secret of the inside" in caplog.text


def test_routes_are_counted_by_their_pattern(client: httpx.Client) -> None:
    for path in ("/models/shop/0123", "/models/shop/4567", "/nothing/at/all", "/nothing"):
        client.get(path)
    client.post(SERVE, json=RECORD)
    client.post(SERVE, content=b"!")
    said = client.get("/metrics")
    assert said.headers["content-type"].startswith("text/plain")
    lines = [line for line in said.text.splitlines() if line.startswith("ml_pipeline_request_seconds_count")]
    labels = {line.partition("{")[2].rpartition("}")[0] for line in lines}
    assert {
        'route="/models/{use_case}/{version}",status="404"',
        'route="none",status="404"',
        f'route="{SERVE}",status="200"',
        f'route="{SERVE}",status="422"',
    } <= labels, labels
    assert not any("0123" in label or "nothing" in label for label in labels)


@pytest.mark.parametrize(("method", "path", "allowed"), [("PUT", "/runs", "GET"), ("DELETE", "/health", "GET")])
def test_a_method_that_is_not_there_is_said_so(client: httpx.Client, method: str, path: str, allowed: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["expected"] == allowed
