"""Objects whole or not there, one creator, and every failure in words, on a folder and on a real S3 server."""

from __future__ import annotations

import hashlib
import os
import resource
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from ml_pipeline.artifacts import store as store_module
from ml_pipeline.artifacts.embedded import Endpoint
from ml_pipeline.artifacts.store import Store, _client, from_environment
from ml_pipeline.errors import (
    IntegrityError,
    NotFoundError,
    StoreAccessError,
    StoreError,
    StoreFullError,
    UsageError,
)

CALLS: dict[str, Callable[[Store], Any]] = {
    "get": lambda store: store.get("a/b"),
    "put": lambda store: store.put("a/b", b"1"),
    "create": lambda store: store.create("a/b", b"1"),
    "exists": lambda store: store.exists("a/b"),
    "keys": lambda store: store.keys("a"),
    "folders": lambda store: store.folders("a"),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.mark.parametrize("content", [b"", b"1", os.urandom(3_000_000)], ids=["empty", "one", "3 MB"])
def test_what_is_put_is_got(store: Store, content: bytes) -> None:
    store.put("a/b", content)
    assert store.get("a/b") == content


def test_put_replaces(store: Store) -> None:
    store.put("a", b"first, and longer")
    store.put("a", b"second")
    assert store.get("a") == b"second"


def test_create_never_replaces(store: Store) -> None:
    assert store.create("a", b"first")
    assert not store.create("a", b"second")
    assert store.get("a") == b"first"


@pytest.mark.parametrize("attempt", range(5))
def test_of_eight_creators_at_once_one_wins(store: Store, attempt: int) -> None:
    start = Barrier(8)

    def create(number: int) -> bool:
        start.wait()
        return store.create("contested", str(number).encode() * 1000)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert won.count(True) == 1
    assert store.get("contested") == str(won.index(True)).encode() * 1000


@pytest.mark.parametrize("key", ["run:1/a b", "é/ü#%?&=+", "scheduled__2013-09-01T06:00:00+00:00/x.json"])
def test_keys_may_hold_what_runs_are_named_by(store: Store, key: str) -> None:
    store.put(key, b"1")
    assert store.exists(key)
    assert store.get(key) == b"1"
    assert store.keys("") == [key]


def test_keys_are_those_below_the_folder_sorted(store: Store) -> None:
    for key in ("run-1/b/c", "run-1/a", "run-10/a", "other"):
        store.put(key, b"1")
    assert store.keys("run-1") == store.keys("run-1/") == ["run-1/a", "run-1/b/c"]
    assert store.keys("none/") == []


def test_keys_after_another_are_those_that_sort_after_it_whether_or_not_it_is_there(store: Store) -> None:
    for key in ("log/1", "log/2", "log/3", "other"):
        store.put(key, b"1")
    assert store.keys("log/", after="log/2") == ["log/3"]
    assert store.keys("log/", after="log/15") == ["log/2", "log/3"]
    assert store.keys("log/", after="log/3") == []


def test_folders_are_those_directly_inside(store: Store) -> None:
    for key in ("raw/b/1/part", "raw/b/2/part", "raw/a/1/part", "raw/note"):
        store.put(key, b"1")
    assert store.folders("raw/") == ["a", "b"]
    assert store.folders("raw/b/") == ["1", "2"]
    assert store.folders("none/") == []


def test_within_is_the_same_store_one_folder_down(store: Store) -> None:
    store.within("flights").within("raw").put("a", b"1")
    assert store.get("flights/raw/a") == b"1"
    assert store.within("flights").keys("raw") == ["raw/a"]
    assert store.within("flights").address("raw/a") == store.address("flights/raw/a")


@pytest.mark.store
def test_more_objects_than_one_answer_lists(s3: Store) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: s3.put(f"many/{number:04d}/x", b""), range(1_001)))
    assert len(s3.keys("many/")) == len(s3.folders("many/")) == 1_001


@pytest.mark.store
def test_a_bucket_may_be_shared_under_a_prefix(s3: Store) -> None:
    prefix = s3.prefix.strip("/")
    shared = Store(f"{s3.uri}/{prefix}/team")
    shared.within("flights").put("raw/a", b"1")
    assert shared.within("flights").keys("raw/") == ["raw/a"]
    assert shared.within("flights").folders("") == ["raw"]
    assert s3.get("team/flights/raw/a") == b"1"
    assert shared.address("a") == f"{s3.uri}/{prefix}/team/a"


def test_a_reader_fetches_what_is_read(store: Store) -> None:
    content = bytes(range(256)) * 20_000
    store.put("a/b", content)
    with store.reader("a/b") as file:
        assert file.read(10) == content[:10]
        assert file.seek(-5, os.SEEK_END) == len(content) - 5
        assert file.read() == content[-5:]
        assert file.read(1) == b""
        assert file.seek(1_000_003) == file.tell()
        assert file.read(3_000_000) == content[1_000_003:4_000_003]
        file.seek(0)
        assert file.read() == content


def test_a_reader_of_nothing(store: Store) -> None:
    store.put("empty", b"")
    with store.reader("empty") as file:
        assert file.read() == b""
    with pytest.raises(NotFoundError, match="the object is not there"):
        store.reader("none")


def test_a_reader_never_mixes_an_object_with_the_one_that_replaces_it(store: Store) -> None:
    store.put("a", b"x" * 5_000_000)
    with store.reader("a") as file:
        assert file.read(1) == b"x"
        store.put("a", b"y" * 5_000_000)
        with pytest.raises(StoreError, match="the object was replaced while it was read"):
            file.read()


@pytest.mark.store
def test_a_reader_of_what_has_gone_says_so(s3: Store) -> None:
    s3.put("a", b"x" * 5_000_000)
    with s3.reader("a") as file:
        s3.delete("a")
        with pytest.raises(NotFoundError, match="the object is not there"):
            file.read()


def test_what_is_not_there(store: Store) -> None:
    assert not store.exists("a")
    with pytest.raises(NotFoundError, match="the object is not there") as caught:
        store.get("a")
    assert store.address("a") in str(caught.value)
    assert caught.value.exit_code == 66


def test_looking_into_a_folder_that_is_not_there_does_not_make_it(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    nothing = Store(str(folder))
    assert (nothing.keys(""), nothing.keys("a/", "a/b"), nothing.folders(""), nothing.written("")) == ([], [], [], {})
    assert not nothing.exists("a/b")
    nothing.delete("a/b")
    with pytest.raises(NotFoundError, match="a/b"):
        nothing.get("a/b")
    with pytest.raises(NotFoundError, match="a/b"):
        nothing.reader("a/b")
    assert not folder.exists()
    nothing.put("a/b", b"1")
    assert nothing.get("a/b") == b"1"


def test_verified_content_is_what_was_written(store: Store) -> None:
    store.put("a", b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    assert store.verified("a", digest) == b"content"
    store.put("a", b"contenT")
    with pytest.raises(IntegrityError, match="not what was written") as caught:
        store.verified("a", digest)
    assert store.address("a") in caught.value.given
    assert digest in caught.value.expected


def test_a_writer_that_died_leaves_nothing_to_see(local: Store, tmp_path: Path) -> None:
    local.put("a/whole", b"1")
    (tmp_path / "store/a/half#1").write_bytes(b"hal")
    assert local.keys("a/") == ["a/whole"]
    assert not local.exists("a/half")


@contextmanager
def no_room(folder: Path) -> Iterator[None]:
    """A disk of 256 kB where one may be mounted; elsewhere the system refuses longer files."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    else:
        with short_files():
            yield


@contextmanager
def short_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("write", ["put", "create"])
def test_a_full_store_says_so_and_keeps_what_it_has(local: Store, tmp_path: Path, write: str) -> None:
    with no_room(tmp_path / "store"):
        local.put("a", b"before")
        for key in ("a", "b") if write == "put" else ("b",):
            with pytest.raises(StoreFullError, match="no room left") as caught:
                getattr(local, write)(key, bytes(1_000_000))
            assert caught.value.exit_code == 74
        assert local.keys("") == ["a"]
        assert local.get("a") == b"before"
        local.put("b", b"there is room again for little")


def test_a_file_longer_than_allowed_is_no_room_either(local: Store) -> None:
    with short_files(), pytest.raises(StoreFullError, match="no room left"):
        local.put("a", bytes(1_000_000))
    assert local.keys("") == []


@contextmanager
def nobody() -> Iterator[None]:
    """Without the rights of root, who may write everywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@every_call
def test_a_folder_of_somebody_else_is_refused(local: Store, tmp_path: Path, call: Callable[[Store], Any]) -> None:
    local.put("a/b", b"1")
    _client.cache_clear()
    (tmp_path / "store").chmod(0o000)
    with nobody(), pytest.raises(StoreAccessError, match="the folder may not be used") as caught:
        call(local)
    (tmp_path / "store").chmod(0o700)
    assert "AWS" not in str(caught.value)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(StoreError, match="the folder cannot be used as a store") as caught:
        Store(str(tmp_path / "file")).put("a", b"1")
    assert "AWS" not in str(caught.value)


@pytest.mark.store
@pytest.mark.parametrize("name", ["get", "keys", "folders"])
def test_a_missing_bucket_is_named(s3: Store, name: str) -> None:
    with pytest.raises(NotFoundError, match="the bucket is not there") as caught:
        CALLS[name](Store("s3://no-such-bucket"))
    assert "s3://no-such-bucket" in caught.value.given
    assert "create the bucket" in caught.value.do


@pytest.mark.store
@every_call
@pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_refused_and_never_shown(
    s3: Store, server: Endpoint, monkeypatch: pytest.MonkeyPatch, call: Callable[[Store], Any], wrong: str
) -> None:
    key, secret = (line.partition(" = ")[2] for line in server.credentials.read_text().splitlines()[1:3])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv(wrong, "wrongwrongwrong")
    _client.cache_clear()
    with pytest.raises(StoreAccessError, match="refuses the credentials") as caught:
        call(s3)
    assert caught.value.exit_code == 77
    for value in (key, secret, "wrongwrongwrong"):
        assert value not in str(caught.value)


def test_credentials_that_are_renewed_are_read_anew(
    s3: Store, server: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = server.credentials.read_text()
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    file.write_text(right)
    s3.put("a", b"1")
    file.write_text("[default]\naws_access_key_id = past\naws_secret_access_key = past\n")
    os.utime(file, ns=(1, 1))
    with pytest.raises(StoreAccessError):
        s3.get("a")
    file.write_text(right)
    assert s3.get("a") == b"1"


@pytest.fixture
def unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """S3 at a port of this machine where nobody listens."""
    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\naws_access_key_id = key\naws_secret_access_key = secret\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        _client.cache_clear()
        yield Store("s3://bucket")
    _client.cache_clear()


def test_an_unreachable_endpoint_is_told(unreachable: Store) -> None:
    with pytest.raises(StoreError, match="did not answer as it should") as caught:
        unreachable.get("a")
    assert os.environ["AWS_ENDPOINT_URL"] in caught.value.given
    assert "AWS_ENDPOINT_URL" in caught.value.do
    assert "Debug source" not in str(caught.value)
    assert caught.value.exit_code == 69


class Refusing(BaseHTTPRequestHandler):
    """An S3 server that answers every request with the error its class was made with."""

    status, code = 0, ""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = f"<Error><Code>{self.code}</Code><Message>No.</Message></Error>".encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not to the terminal."""


@pytest.mark.parametrize(
    ("status", "code", "error", "words"),
    [
        (507, "InsufficientStorage", StoreFullError, "no room left"),
        (403, "AccessDenied", StoreAccessError, "refuses the credentials"),
        (404, "NoSuchBucket", NotFoundError, "the bucket is not there"),
        (500, "InternalError", StoreError, "has room left"),
    ],
)
def test_every_refusal_of_a_write_is_told_in_words(
    unreachable: Store, monkeypatch: pytest.MonkeyPatch, status: int, code: str, error: type[StoreError], words: str
) -> None:
    monkeypatch.setitem(store_module.RETRY, "max_retries", 0)
    handler = type("Handler", (Refusing,), {"status": status, "code": code})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as answering:
        Thread(target=answering.serve_forever, args=(0.01,)).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{answering.server_port}")
        with pytest.raises(StoreError, match=words) as caught:
            unreachable.put("a", b"1")
        answering.shutdown()
    assert type(caught.value) is error


def test_digits_in_a_key_are_not_mistaken_for_an_answer(unreachable: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(store_module.RETRY, "max_retries", 0)
    with pytest.raises(StoreError) as caught:
        unreachable.exists("data/403401507")
    assert type(caught.value) is StoreError


def test_a_credentials_file_that_is_named_must_be_there(unreachable: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    with pytest.raises(StoreAccessError, match="there are no credentials") as caught:
        unreachable.get("a")
    assert "/nonexistent/credentials" in caught.value.given


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ("[other]\naws_access_key_id = key\naws_secret_access_key = secret\n", "default"),
        ("[default]\naws_access_key_id = key\naws_secret_access_key = secret\n", "missing"),
        ("[default]\naws_access_key_id = key\n", "default"),
        ("no section\n", "default"),
    ],
    ids=["no default", "no such profile", "no secret", "not such a file"],
)
def test_a_credentials_file_must_hold_the_profile(
    unreachable: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, profile: str
) -> None:
    (tmp_path / "credentials").write_text(text)
    monkeypatch.setenv("AWS_PROFILE", profile)
    with pytest.raises(StoreAccessError, match="there are no credentials") as caught:
        unreachable.get("a")
    assert str(tmp_path / "credentials") in caught.value.given
    assert profile in caught.value.given


@pytest.mark.parametrize("uri", ["", "s3://", "s3:/bucket", "gs://", "ftp://host/folder"])
def test_a_uri_that_names_no_store_is_refused(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        Store(uri)
    assert caught.value.exit_code == 2
    assert "s3://" in caught.value.expected


@pytest.mark.parametrize("key", ["../outside", "a//b", "a/../../b"])
def test_no_key_leads_out_of_the_store(local: Store, tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of an object"):
        local.put(key, b"1")
    assert not (tmp_path / "outside").exists()


def test_a_folder_goes_by_any_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    uris = {Store(name).uri for name in ("store", "~/store", f"{tmp_path}/store", f"file://{tmp_path}/store/")}
    assert uris == {f"file://{tmp_path}/store"}


def test_the_environment_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PIPELINE_STORE", str(tmp_path))
    assert from_environment().uri == f"file://{tmp_path}"
    monkeypatch.delenv("ML_PIPELINE_STORE")
    with pytest.raises(UsageError, match="no object store is named"):
        from_environment()
