"""The command `ml-pipeline api`: real processes, told to stop, killed, and several workers of one server."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import pytest
from click.testing import Result

from ml_pipeline.api.orders import OrderBook
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import REALTIME, StageResult
from tests.api_site import RECORD, Shop, await_true, command

pytestmark = pytest.mark.long

SERVE = "/shop/online/serve"
SHOP = ("--use-case", "shop")
LONG = {"as_of": "2024-06-16", "parameters": {"evaluate.replicates": 10_000}, "force": True}
"""An evaluation that lasts longer than a test."""


def scored_rows(store: str) -> int:
    """Rows of real-time scoring that are kept."""
    room = Store(store).within("shop")
    keys = [key for key in room.keys("runs/") if key.startswith(f"runs/{REALTIME}")]
    results = [msgspec.json.decode(room.get(key), type=StageResult) for key in keys]
    return sum(result.rows_out for result in results)


def test_it_ends_in_good_order_and_keeps_what_was_scored(shop: Shop, tmp_path: Path) -> None:
    with command(shop, tmp_path, *SHOP) as server:
        with httpx.Client(base_url=server.url) as client:
            for _ in range(20):
                assert client.post(SERVE, json=RECORD).status_code == 200
        server.process.terminate()
        assert server.process.wait(20) == 0
    assert scored_rows(shop.store) == 20
    assert "Traceback" not in server.log.read_text()


def test_requests_that_it_took_are_answered(shop: Shop, tmp_path: Path) -> None:
    """A client that has begun to send gets its answer, though the server was told to stop meanwhile."""
    told = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"[" + b" " * 1000
        assert told.wait(20)
        yield b'{"visit": "v1"}]'

    with command(shop, tmp_path, *SHOP) as server:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(httpx.post, f"{server.url}{SERVE}", content=body(), timeout=20)
            await_true(lambda: _waits(server.process.pid))
            server.process.send_signal(signal.SIGTERM)
            await_true(lambda: not _listens(server.process.pid))
            told.set()
            assert answer.result().status_code in (200, 422)
        assert server.process.wait(20) == 0


def _listens(pid: int) -> bool:
    return any(one.status == psutil.CONN_LISTEN for one in psutil.Process(pid).net_connections())


def _waits(pid: int) -> bool:
    return any(one.status == psutil.CONN_ESTABLISHED for one in psutil.Process(pid).net_connections())


def test_a_run_ends_with_its_server_and_that_is_said(shop: Shop, tmp_path: Path) -> None:
    with command(shop, tmp_path, *SHOP) as server:
        run = httpx.post(f"{server.url}/shop/offline/evaluate", json=LONG).json()["id"]
        await_true(lambda: _children(server.process.pid))
        (child,) = _children(server.process.pid)
        server.process.terminate()
        assert server.process.wait(20) == 0
    assert not child.is_running()
    assert OrderBook(Store(shop.store).within("shop"), 60).run(run).state == "cancelled"


def _children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_a_server_that_is_killed_loses_its_runs_and_another_says_so(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with command(shop, tmp_path, *SHOP) as server:
        run = httpx.post(f"{server.url}/shop/offline/evaluate", json=LONG).json()["id"]
        await_true(lambda: httpx.get(f"{server.url}/runs/{run}").json()["state"] == "running")
        children = _children(server.process.pid)
        server.process.kill()
        server.process.wait(20)
    book = OrderBook(Store(shop.store).within("shop"), lost_after=1.0)
    await_true(lambda: book.run(run).state == "lost")
    psutil.wait_procs(children, 20)
    assert not any(child.is_running() for child in children)


def test_several_workers_are_one_server(shop: Shop, tmp_path: Path) -> None:
    with command(shop, tmp_path, *SHOP, "--workers", "2") as server:

        def ask(_: int) -> int:
            return httpx.post(f"{server.url}{SERVE}", json=RECORD).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, range(60))) == {200}
            key = {"Idempotency-Key": "one"}
            orders = [
                pool.submit(httpx.post, f"{server.url}/shop/offline/ingest", headers=key, timeout=60) for _ in range(8)
            ]
            ids = {order.result().json()["id"] for order in orders}
        assert len(ids) == 1
        (run,) = ids
        await_true(lambda: httpx.get(f"{server.url}/runs/{run}").json()["state"] in ("done", "skipped"))
        counted = f'ml_pipeline_request_seconds_count{{route="{SERVE}",status="200"}} 60.0'
        for _ in range(5):
            assert counted in httpx.get(f"{server.url}/metrics").text
        server.process.terminate()
        assert server.process.wait(30) == 0
    assert scored_rows(shop.store) == 60


def test_beyond_this_machine_it_wants_tokens(use_cases: Path, tmp_path: Path) -> None:
    asked = [sys.executable, "-m", "ml_pipeline", "api", "--host", "0.0.0.0", "--port", "0", "--store", tmp_path]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "a server that other machines reach needs tokens" in done.stderr


def test_with_tokens_it_listens_everywhere(shop: Shop, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.yaml"
    made = [sys.executable, "-m", "ml_pipeline", "api-token", "me", "--scope", "score", "--tokens", str(tokens)]
    secret = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
    with command(shop, tmp_path, *SHOP, "--tokens", str(tokens)) as server:
        headers = {"Authorization": f"Bearer {secret}"}
        assert httpx.post(f"{server.url}{SERVE}", json=RECORD).status_code == 401
        assert httpx.post(f"{server.url}{SERVE}", json=RECORD, headers=headers).status_code == 200
        assert httpx.get(f"{server.url}/runs", headers=headers).status_code == 403
    assert secret not in server.log.read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--use-case", "shopp"), "there is no use case 'shopp'"),
        (("--use-case", "flights", "--service", "online/nothing"), "there is no such service"),
        (("--use-case", "flights", "--tokens", "none.yaml"), "the token file cannot be read"),
        (("--use-case", "flights", "--shadow", "x"), "--shadow says nothing"),
        (("--use-case", "flights", "--shadow", "flights=0123"), "there is no such model"),
        (("--use-case", "flights", "--host", "192.0.2.1", "--tokens", "TOKENS"), "the server cannot listen there"),
    ],
)
def test_what_cannot_be_served_is_said_before_anything_listens(
    command: Callable[..., Result], use_cases: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    from ml_pipeline.api.tokens import add

    add(tmp_path / "tokens.yaml", "me", ["read"])
    given = [str(tmp_path / "tokens.yaml") if option == "TOKENS" else option for option in options]
    answer = command("api", "--store", tmp_path, "--port", "0", *given)
    assert answer.exit_code in (2, 66)
    assert words in answer.output


def test_a_token_is_printed_once_and_a_name_taken_once(command: Callable[..., Result], tmp_path: Path) -> None:
    asked: Any = ("api-token", "nightly", "--scope", "run", "--tokens", tmp_path / "t.yaml")
    first = command(*asked)
    assert first.exit_code == 0
    assert first.output.strip() not in (tmp_path / "t.yaml").read_text()
    assert command(*asked).exit_code == 2
    assert command("api-token", "x", "--scope", "all", "--tokens", tmp_path / "t.yaml").exit_code == 2
