"""A pull from a service that is killed goes on where it stopped, and is seen by nobody before it is whole."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.use_cases.clinical_trials.synthetic import studies

pytestmark = pytest.mark.long

PER_PAGE, PAGES = 40, 6


class Registry:
    """A service that has six pages; one of them it does not give before it is told to."""

    def __init__(self, held: int) -> None:
        self.held, self.asked, self.released, self.waiting = held, list[int](), threading.Event(), threading.Event()
        self.records = list(studies(PER_PAGE * PAGES, bad=0.0))

    def page(self, number: int) -> bytes:
        self.asked.append(number)
        if number == self.held and not self.released.is_set():
            self.waiting.set()
            self.released.wait(60)
        found = {"studies": self.records[number * PER_PAGE : (number + 1) * PER_PAGE]}
        return json.dumps(found | ({"nextPageToken": str(number + 1)} if number + 1 < PAGES else {})).encode()


@pytest.fixture
def registry() -> Iterator[tuple[Registry, str]]:
    service = Registry(held=4)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/wrong"):
                self.send_error(400, "the parameter is not known")
                return
            query = parse_qs(urlsplit(self.path).query)
            content = service.page(int(query.get("pageToken", ["0"])[0]))
            try:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:  # whoever asked is gone
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield service, f"http://127.0.0.1:{server.server_address[1]}/studies"
    service.released.set()
    server.shutdown()
    server.server_close()


def _pull(address: str, store: Path) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "ml_pipeline", "run", "clinical_trials", "offline", "--stages", "ingest", "--as-of",
        "2026-01-01", "--store", str(store), "--set", f"sources.now_health_data.address={address}",
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_killed_pull_goes_on_where_it_stopped(registry: tuple[Registry, str], tmp_path: Path) -> None:
    service, address = registry
    room = Store(str(tmp_path)).within("clinical_trials")
    with _pull(address, tmp_path) as first:
        assert service.waiting.wait(60)
        first.send_signal(signal.SIGKILL)
    assert [key for key in room.keys("raw/") if key.endswith("manifest.yaml")] == []
    assert room.keys("runs/") == []
    kept = room.keys("pulls/")
    assert len(kept) == 4
    service.released.set()
    service.asked.clear()
    with _pull(address, tmp_path) as second:
        said = second.communicate(timeout=60)[0]
    assert second.returncode == 0, said
    assert service.asked == [4, 5]
    snapshot = open_dataset(room, "raw/now_health_data/20260101T000000Z")
    assert snapshot.manifest.rows == PER_PAGE * PAGES
    assert room.keys("pulls/") == []


def test_a_service_that_refuses_stops_the_run_in_words(registry: tuple[Registry, str], tmp_path: Path) -> None:
    with _pull(registry[1].replace("/studies", "/wrong"), tmp_path) as pull:
        said = pull.communicate(timeout=60)[0]
    assert pull.returncode == 75, said
    assert said.splitlines()[-1].startswith("SourceError: ")
    assert "Traceback" not in said
    assert Store(str(tmp_path)).within("clinical_trials").keys("") == []
