from __future__ import annotations

import datetime as dt
import json
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result

from ml_pipeline.api.orders import Order, OrderBook
from ml_pipeline.api.settings import Bounds
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import StageRequest
from tests.api.conftest import Clients
from tests.api_site import AS_OF, QUICK, Shop, await_true

pytestmark = pytest.mark.long

DAY = {"as_of": "2024-06-16"}


def pretend(folder: Path, code: str) -> list[str]:
    """A command in place of the stage command: `code` with `say` for progress and `request`."""
    script = folder / f"pretend-{time.monotonic_ns()}.py"
    head = """
        import json, os, sys, time
        pipe, request = os.fdopen(int(sys.argv[2]), "w", buffering=1), json.loads(sys.argv[3])
        def say(step, done, of): pipe.write(json.dumps({"step": step, "done": done, "of": of}) + "\\n")
    """
    script.write_text(textwrap.dedent(head) + textwrap.dedent(code))
    return [sys.executable, str(script)]


def over(client: httpx.Client, run: str, *states: str) -> dict[str, Any]:
    """A run, once it is in one of these states."""

    def found() -> Any:
        said = client.get(f"/runs/{run}").json()
        assert said["state"] in (*states, "queued", "running"), said
        return said if said["state"] in states else None

    result: dict[str, Any] = await_true(found)
    return result


def test_a_stage_is_ordered_and_done(client: httpx.Client) -> None:
    answer = client.post("/shop/offline/ingest", json=DAY)
    assert answer.status_code == 202
    assert answer.json()["state"] in ("queued", "running")
    assert answer.json()["run_id"] == "offline-20240616T000000Z"
    assert answer.headers["location"] == f"/runs/{answer.json()['id']}"
    done = over(client, answer.json()["id"], "done")
    assert [result["stage"] for result in done["results"]] == ["ingest.shop"]
    assert done["results"][0]["status"] in ("done", "reused")
    assert done["results"][0]["artifacts"][0]["rows"] > 0
    assert done["error"] is None
    assert done["seconds"] > 0
    assert client.get("/runs").json()[0]["id"] == done["id"]


def test_a_run_is_found_by_its_run_id_too(client: httpx.Client) -> None:
    ordered = client.post("/shop/offline/ingest", json={**DAY, "run_id": "by-hand"}).json()
    assert client.get("/runs/by-hand").json()["id"] == ordered["id"]
    assert [run["id"] for run in client.get("/runs", params={"run_id": "by-hand"}).json()] == [ordered["id"]]
    over(client, ordered["id"], "done")


def test_stages_that_are_ordered_one_by_one_find_each_other(client: httpx.Client) -> None:
    for stage in ("ingest", "prepare", "combine"):
        ordered = client.post(f"/shop/offline/{stage}", json={"as_of": "2024-06-10"}).json()
        done = over(client, ordered["id"], "done")
        assert [result["rows_out"] > 0 for result in done["results"]] == [True]


def test_a_failure_is_that_of_the_command_line(
    client: httpx.Client, use_cases: Path, command: Callable[..., Result], tmp_path: Path
) -> None:
    ordered = client.post("/shop/offline/train", json={"as_of": "2024-06-01"}).json()
    failed = over(client, ordered["id"], "failed")
    said = command(
        "run", "shop", "offline", "--stages", "train", "--as-of", "2024-06-01", "--store", tmp_path, "--json"
    )
    assert failed["error"] == json.loads(said.stderr.splitlines()[-1])
    assert failed["error"]["error"] == "UsageError"
    assert failed["results"] == []


def test_with_nothing_to_do_it_is_skipped(shop: Shop, client_of: Clients, tmp_path: Path) -> None:
    code = """
        print(json.dumps({"error": "NothingToDo", "what": "nothing is new"}), file=sys.stderr)
        sys.exit(99)
    """
    client = client_of(shop.settings(bounds=QUICK), command=pretend(tmp_path, code))
    skipped = over(client, client.post("/shop/online/ingest").json()["id"], "skipped")
    assert skipped["error"]["what"] == "nothing is new"


def test_a_process_that_dies_without_a_word_has_failed(shop: Shop, client_of: Clients, tmp_path: Path) -> None:
    code = """
        print("Traceback (most recent call last): secret", file=sys.stderr)
        os.kill(os.getpid(), 9)
    """
    client = client_of(shop.settings(bounds=QUICK), command=pretend(tmp_path, code))
    failed = over(client, client.post("/shop/online/ingest").json()["id"], "failed")
    assert failed["error"]["error"] == "StageError"
    assert "exit code -9" in failed["error"]["what"]
    assert "secret" not in json.dumps(failed)


def test_progress_is_told_while_it_runs(shop: Shop, client_of: Clients, tmp_path: Path) -> None:
    code = f"""
        say("train", 3, 8)
        while not os.path.exists({str(tmp_path / "go")!r}): time.sleep(0.05)
    """
    client = client_of(shop.settings(bounds=QUICK), command=pretend(tmp_path, code))
    run = client.post("/shop/offline/train").json()["id"]
    await_true(lambda: client.get(f"/runs/{run}").json()["progress"] == {"step": "train", "done": 3, "of": 8})
    assert client.get(f"/runs/{run}").json()["state"] == "running"
    assert 'ml_pipeline_runs{state="running"} 1.0' in client.get("/metrics").text
    (tmp_path / "go").touch()
    assert over(client, run, "done")["seconds"] > 0


def test_the_process_gets_the_request_of_the_contract(shop: Shop, client_of: Clients, tmp_path: Path) -> None:
    code = f"""open({str(tmp_path / "request")!r}, "w").write(json.dumps(request))"""
    client = client_of(shop.settings(bounds=QUICK), command=pretend(tmp_path, code))
    body = {"as_of": "2024-06-16T02:00:00+02:00", "force": True, "parameters": {"seed": 3}, "run_id": "mine"}
    run = client.post("/shop/offline/prepare", json=body).json()["id"]
    over(client, run, "done")
    request = json.loads((tmp_path / "request").read_text())
    assert request == {
        "use_case": "shop",
        "mode": "offline",
        "stages": ["prepare.shop"],
        "run_id": "mine",
        "as_of": "2024-06-16T00:00:00Z",
        "store": shop.store,
        "parameters": {"seed": 3},
        "force": True,
        "attempt": run,
    }


def test_the_same_key_never_runs_twice(shop: Shop, client_of: Clients, tmp_path: Path) -> None:
    code = f"""open({str(tmp_path / "ran")!r}, "a").write("x")"""
    client = client_of(shop.settings(bounds=QUICK), command=pretend(tmp_path, code))
    key = {"Idempotency-Key": "nightly-7"}
    first = client.post("/shop/offline/train", headers=key).json()
    over(client, first["id"], "done")
    again = client.post("/shop/offline/train", headers=key)
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (202, first["id"], "done")
    assert (tmp_path / "ran").read_text() == "x"
    for path, body in (("/shop/offline/train", DAY), ("/shop/offline/evaluate", None)):
        other = client.post(path, json=body, headers=key)
        assert (other.status_code, other.json()["error"]) == (409, "ConflictError")


def test_a_key_that_is_none_is_refused(client: httpx.Client) -> None:
    for key in ("", "a b", "k" * 201):
        assert client.post("/shop/offline/train", headers={"Idempotency-Key": key}).status_code == 422


def test_a_run_can_be_stopped(shop: Shop, client_of: Clients, tmp_path: Path) -> None:
    code = """
        import signal
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        time.sleep(60)
    """
    client = client_of(shop.settings(bounds=QUICK), command=pretend(tmp_path, code))
    run = client.post("/shop/offline/train").json()["id"]
    await_true(lambda: client.get(f"/runs/{run}").json()["state"] == "running")
    assert client.delete(f"/runs/{run}").status_code == 202
    cancelled = over(client, run, "cancelled")
    assert cancelled["error"]["error"] == "Terminated"
    assert cancelled["error"]["given"] == "by anybody"
    assert client.delete(f"/runs/{run}").status_code == 409


def test_a_process_that_will_not_stop_is_killed(
    shop: Shop, client_of: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_pipeline.api.stage_process.PATIENCE", 0.3)
    code = """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say("train", 1, 2)
        time.sleep(60)
    """
    client = client_of(shop.settings(bounds=QUICK), command=pretend(tmp_path, code))
    run = client.post("/shop/offline/train").json()["id"]
    await_true(lambda: client.get(f"/runs/{run}").json()["progress"]["done"])
    client.delete(f"/runs/{run}")
    over(client, run, "cancelled")


def test_another_server_can_stop_it(shop: Shop, client_of: Clients, tmp_path: Path) -> None:
    client = client_of(shop.settings(bounds=QUICK), command=pretend(tmp_path, "time.sleep(60)"))
    other = client_of(shop.settings(bounds=QUICK))
    run = client.post("/shop/offline/train").json()["id"]
    await_true(lambda: other.get(f"/runs/{run}").json()["state"] == "running")
    assert other.delete(f"/runs/{run}").status_code == 202
    over(client, run, "cancelled")


def test_so_many_run_at_once_and_so_many_wait(shop: Shop, client_of: Clients, tmp_path: Path) -> None:
    bounds = Bounds(beat=0.2, lost_after=5.0, runs=1, waiting=1)
    code = f"while not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.05)"
    client = client_of(shop.settings(bounds=bounds), command=pretend(tmp_path, code))
    first = client.post("/shop/offline/train").json()["id"]
    await_true(lambda: client.get(f"/runs/{first}").json()["state"] == "running")
    second = client.post("/shop/offline/train", headers={"Idempotency-Key": "second"}).json()["id"]
    refused = client.post("/shop/offline/train")
    assert (refused.status_code, refused.json()["error"]) == (429, "TooManyError")
    assert int(refused.headers["retry-after"]) > 0
    again = client.post("/shop/offline/train", headers={"Idempotency-Key": "second"})
    assert (again.status_code, again.json()["id"]) == (202, second)
    assert client.get(f"/runs/{second}").json()["state"] == "queued"
    client.delete(f"/runs/{second}")
    assert over(client, second, "cancelled")["seconds"] == 0
    (tmp_path / "go").touch()
    over(client, first, "done")


def test_a_run_of_which_nothing_is_heard_is_lost(shop: Shop, client: httpx.Client) -> None:
    book = OrderBook(Store(shop.store).within("shop"), lost_after=20.0)
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=21)
    request = StageRequest("shop", "offline", ("train",), "r", AS_OF, shop.store)
    book.place(Order(id="shop-1", service="offline/train", request=request, by="me", ordered=long_ago, asked=""))
    assert book.run("shop-1").state == "lost"


def test_a_server_that_stops_says_what_became_of_its_runs(shop: Shop, tmp_path: Path) -> None:
    from tests.api_site import live

    book = OrderBook(Store(shop.store).within("shop"), lost_after=20.0)
    with live(shop.settings(bounds=QUICK), command=pretend(tmp_path, "time.sleep(60)")) as url:
        run = httpx.post(f"{url}/shop/offline/train").json()["id"]
        await_true(lambda: book.run(run).state == "running")
    stopped = book.run(run)
    assert stopped.state == "cancelled"
    assert stopped.error
    assert stopped.error["given"] == "the server was told to stop"


@pytest.mark.parametrize(
    ("path", "status", "what"),
    [
        ("/shopp/offline/train", 404, "there is no use case 'shopp'"),
        ("/flights/offline/train", 404, "the use case 'flights' is not offered here"),
        ("/shop/sideways/train", 404, "shop has no such mode"),
        ("/shop/offline/serve", 404, "offline has no stage 'serve' in the use case shop"),
        ("/shop/offline/train/", 404, "there is nothing here"),
    ],
)
def test_what_is_not_there_is_said_with_what_there_is(client: httpx.Client, path: str, status: int, what: str) -> None:
    answer = client.post(path)
    assert answer.status_code == status, answer.text
    assert answer.json()["what"] == what
    assert answer.json()["expected"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", "DataError"),
        (b"[]", "DataError"),
        (b"\xff", "DataError"),
        (b"[" * 1_000_000, "DataError"),
        (b'{"use_case": "flights"}', "DataError"),
        (b'{"as_of": 3}', "DataError"),
        (b'{"as_of": "soon"}', "UsageError"),
        (b'{"run_id": "../../x"}', "UsageError"),
        (b'{"parameters": {"no.such": 1}}', "ConfigError"),
        (b'{"parameters": {"sources.shop.address": "/etc/passwd"}}', "UsageError"),
        (
            b'{"parameters": {"sources.other": {"reader": "x.y", "prepare": "x.y", "join": {"on": ["visit"]}}}}',
            "UsageError",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_order_is_refused(client: httpx.Client, body: bytes, error: str) -> None:
    answer = client.post("/shop/offline/train", content=body)
    assert (answer.status_code, answer.json()["error"]) == (422, error), answer.text
    assert "Traceback" not in answer.text


def test_a_run_that_is_not_there_is_said_so(client: httpx.Client) -> None:
    for name in ("none", "shop-none", "flights-none", "%2e%2e", "%00", "a" * 5000):
        answer = client.get(f"/runs/{name}")
        assert answer.status_code in (404, 422), answer.text
    assert client.get("/runs", params={"use_case": "none"}).status_code == 404
    assert client.get("/runs", params={"limit": 0}).status_code == 422
