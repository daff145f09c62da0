"""Servers of the scaffold's use case `shop`: in this process, or as a command."""

from __future__ import annotations

import datetime as dt
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn

from ml_pipeline.api import app
from ml_pipeline.api.protocol import BoundedProtocol
from ml_pipeline.api.settings import Bounds, Settings

AS_OF = dt.datetime(2024, 6, 16, tzinfo=dt.UTC)
TOMORROW = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat(timespec="seconds").replace("+00:00", "Z")
RECORD = {"visit": "v1", "came_at": TOMORROW, "device": "phone", "came_from": "search", "pages": 3, "basket": 12.5}
QUICK = Bounds(beat=0.2, lost_after=3.0)
"""Runs that are watched closely."""


class Shop(NamedTuple):
    """The folder that the use case lies in, and a store in which it is trained."""

    folder: Path
    store: str

    def settings(self, **more: Any) -> Settings:
        """Of a server that offers it."""
        return Settings(**{"use_cases": ("shop",), "store": self.store, **more})


@contextmanager
def live(settings: Settings, **parts: Any) -> Iterator[str]:
    """A real server in a thread of this process; its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app.create(settings, **parts), http=BoundedProtocol, ws="none", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            await_true(lambda: server.started or not thread.is_alive())
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


class Command(NamedTuple):
    """`ml-pipeline api` at work."""

    process: subprocess.Popen[str]
    url: str
    log: Path


@contextmanager
def command(shop: Shop, folder: Path, *options: str, **environment: str) -> Iterator[Command]:
    """The command on a port that is free; it is told to stop at the end."""
    log = folder / f"log-{time.monotonic_ns()}"
    asked = [sys.executable, "-m", "ml_pipeline", "api", "--store", shop.store, "--port", "0", *options]
    variables = {**os.environ, "ML_PIPELINE_USE_CASES": str(shop.folder), **environment}
    with log.open("w") as file:
        process = subprocess.Popen(asked, env=variables, stderr=file, text=True)
    try:
        await_true(lambda: re.search(r"http://127.0.0.1:\d+", log.read_text()) or process.poll() is not None)
        found = re.search(r"http://127.0.0.1:\d+", log.read_text())
        assert found, log.read_text()
        await_true(lambda: answers(found[0]) or process.poll() is not None)
        yield Command(process, found[0], log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()


def answers(url: str) -> bool:
    """Whether a server is there."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def await_true(check: Callable[[], Any], patience: float = 60.0) -> Any:
    """What a check gives, once that is true."""
    deadline = time.monotonic() + patience
    while not (found := check()):
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.05)
    return found
