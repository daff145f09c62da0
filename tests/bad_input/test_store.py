"""An object store that is not there, refuses, is full, or holds what it should not."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import Result
from msgspec.structs import replace

from ml_pipeline.artifacts import embedded
from ml_pipeline.artifacts.embedded import Endpoint
from ml_pipeline.artifacts.promotion_log import PromotionLog
from ml_pipeline.artifacts.store import Store, _client

if TYPE_CHECKING:
    from tests.conftest import Parcels

Command = Callable[..., Result]
OURS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3")
ASKED = ("run", "parcels", "offline", "--as-of", "2024-02-05", "--store")
TAG = "!!python/object/apply:os.mkdir ['{}']"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A real S3 server on a port of its own."""
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "S3_PORT", 0)
        yield embedded.start(folder)
    embedded.stop(folder)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The client's settings, read anew; those of whoever runs the tests are put aside."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    _client.cache_clear()
    yield monkeypatch
    _client.cache_clear()


@pytest.fixture
def reached(server: Endpoint, settings: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The settings with which the server is reached."""
    for name, value in server.environment.items():
        settings.setenv(name, value)
    return settings


def _stopped(result: Result, code: int, words: str) -> None:
    assert result.exit_code == code, result.stderr
    assert words in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_store_that_does_not_answer(parcels: Parcels, command: Command, settings: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        settings.setenv("AWS_ACCESS_KEY_ID", "a")
        settings.setenv("AWS_SECRET_ACCESS_KEY", "b")
        result = command(*ASKED, "s3://ml-pipeline")
    _stopped(result, 69, "StoreError: the object store did not answer as it should. Given: s3://ml-pipeline/parcels/")
    assert "AWS_ENDPOINT_URL" in result.stderr


@pytest.mark.store
def test_a_bucket_that_is_not_there(parcels: Parcels, command: Command, reached: pytest.MonkeyPatch) -> None:
    _stopped(
        command(*ASKED, "s3://no-such-bucket"),
        66,
        "NotFoundError: the bucket is not there. Given: s3://no-such-bucket/",
    )


@pytest.mark.store
def test_credentials_that_are_wrong(parcels: Parcels, command: Command, reached: pytest.MonkeyPatch) -> None:
    reached.setenv("AWS_ACCESS_KEY_ID", "nobody")
    reached.setenv("AWS_SECRET_ACCESS_KEY", "do-not-repeat-me")
    result = command(*ASKED, "s3://ml-pipeline")
    _stopped(result, 77, "StoreAccessError: the object store refuses the credentials. Given: s3://ml-pipeline/parcels/")
    assert "check AWS_SHARED_CREDENTIALS_FILE or AWS_ACCESS_KEY_ID" in result.stderr
    assert "do-not-repeat-me" not in result.output + result.stderr


@pytest.mark.store
def test_whatever_was_refused_left_nothing_behind(server: Endpoint, reached: pytest.MonkeyPatch) -> None:
    assert Store(server.uri).within("parcels").keys("") == []


@pytest.mark.store
def test_a_whole_run_leaves_the_same_content_on_s3_as_in_a_folder(
    parcels: Parcels, trained: Path, server: Endpoint, reached: pytest.MonkeyPatch
) -> None:
    parcels.store = f"{server.uri}/whole"
    parcels.run("offline")
    folder = Store(str(trained)).within("parcels")
    ours, theirs = ([key for key in room.keys("") if not key.startswith("runs/")] for room in (parcels.room, folder))
    assert ours == theirs
    # The second in which each was promoted may be the same.
    assert {key for key in ours if parcels.room.get(key) != folder.get(key)} <= {"promotions/000001.yaml"}
    logs = [PromotionLog(room).entries() for room in (parcels.room, folder)]
    mine, others = ([replace(entry, at="") for entry in log] for log in logs)
    assert mine == others
    assert {result.status for result in parcels.run("online").values()} == {"done", "reused"}
    assert {result.status for result in parcels.run("offline").values()} == {"reused"}


@pytest.mark.store
def test_a_dataset_that_is_half_uploaded_is_not_there(
    parcels: Parcels, command: Command, server: Endpoint, reached: pytest.MonkeyPatch
) -> None:
    parcels.store = f"{server.uri}/half"
    _half(parcels, command)


def test_a_dataset_that_is_half_written_is_not_there(parcels: Parcels, command: Command) -> None:
    _half(parcels, command)


def _half(parcels: Parcels, command: Command) -> None:
    parcels.room.put("raw/parcels/20240203T230000Z/part-00000-abc.parquet", b"half of i")
    results = parcels.run("offline")
    assert {result.status for result in results.values()} == {"done"}
    combined = parcels.dataset(results, "combined")
    manifest = parcels.room.get(f"{combined.key}/manifest.yaml")
    parcels.room.put(f"{combined.key}/manifest.yaml", manifest[: len(manifest) // 2])
    result = command(*ASKED, parcels.store)
    assert result.exit_code == 76
    assert f"{combined.key}/manifest.yaml" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_that_is_full(parcels: Parcels) -> None:
    """No file may be longer than two kilobytes, which the system refuses in the way of a full disk."""
    request = msgspec.json.encode(parcels.request("offline")).decode()
    done = subprocess.run(
        [sys.executable, "-m", "ml_pipeline", "stage", request],
        env={**os.environ, "PYTHONPATH": str(parcels.site)}, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048)),
    )  # fmt: skip
    error = msgspec.json.decode(done.stderr.splitlines()[-1])
    assert (done.returncode, error["exit_code"]) == (74, 74), done.stderr
    assert error["error"] == "StoreFullError"
    assert error["what"] == "the object store has no room left"
    assert error["do"] == "free space, or name another store"
    assert parcels.visible() == []
    assert {result.status for result in parcels.run("offline").values()} == {"done"}, "with room it goes on"


def test_a_store_that_is_a_file(parcels: Parcels, command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = command(*ASKED, tmp_path / "file")
    assert result.exit_code in (69, 77)
    assert "Traceback" not in result.stderr
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("name", ["model.yaml", "parameters.yaml", "metrics.yaml", "promotion", "manifest"])
def test_yaml_with_a_tag_of_python_is_never_carried_out(
    champion: Parcels, command: Command, tmp_path: Path, name: str
) -> None:
    keys = {
        "promotion": "promotions/000001.yaml",
        "manifest": f"{champion.dataset(champion.run('offline'), 'combined').key}/manifest.yaml",
    }
    key = keys.get(name, f"models/{champion.registry.champion()}/{name}")
    trap = tmp_path / "trap"
    champion.room.put(key, champion.room.get(key) + f"\ntrap: {TAG.format(trap)}\n".encode())
    codes = {mode: command("run", "parcels", mode, *ASKED[3:], champion.store) for mode in ("offline", "online")}
    stopped = [result for result in codes.values() if result.exit_code]
    assert stopped
    for result in stopped:
        assert result.exit_code == 76, result.stderr
        assert "Traceback" not in result.stderr
    assert not trap.exists()
