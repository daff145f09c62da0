"""A server in processes of its own: started, waited for, weighed with all its children, and asked to end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.online_contenders import ROOT, SERVERS, Place

PATIENCE = 300.0
"""Seconds that a server may take to be ready, and to end."""
QUIET = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


class Server(NamedTuple):
    """A server at work."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """One request of JSON; its answer.

        Raises:
            OSError: the server refuses, or does not answer.
        """
        order = urllib.request.Request(self.url(path), body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(order, timeout=PATIENCE) as answer:
            content: bytes = answer.read()
        return content

    def memory(self, kind: str = "VmHWM") -> int:
        """Bytes of all its processes together: the peak of each (VmHWM), or what it has now (VmRSS)."""
        return sum(_memory(process, kind) for process in processes(self.process.pid))

    def end(self) -> None:
        """Ask it to end, and end what is left of it then."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        _end_group(self.process.pid)
        self.process.wait()


@contextmanager
def at_work(name: str, place: Place, workers: int) -> Iterator[Server]:
    """A server of the contenders, once it answers.

    Raises:
        RuntimeError: it ends, or is not ready in time; with the end of its log.
    """
    port, *more = free_ports(3)
    place.own.mkdir(parents=True)
    start = SERVERS[name](place, workers, port, more)
    log = place.own / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            start.command, cwd=ROOT, env=_environment(start.environment), stdin=subprocess.DEVNULL, stdout=file,
            stderr=file, start_new_session=True,
        )  # fmt: skip
    server = Server(process, port, log)
    try:
        _wait(server, start.ready)
        yield server
    finally:
        server.end()


def processes(parent: int) -> list[int]:
    """A process and all that come from it."""
    found = [parent]
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            found += [own for child in task.read_text().split() for own in processes(int(child))]
        except OSError:  # it has just ended
            continue
    return found


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses just now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for own in sockets:
            own.bind(("127.0.0.1", 0))
        return [own.getsockname()[1] for own in sockets]
    finally:
        for own in sockets:
            own.close()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **QUIET, **own}


def _wait(server: Server, path: str) -> None:
    end = time.monotonic() + PATIENCE
    while not _answers(server, path):
        if server.process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{server.process.args!r} did not become ready:\n{server.log.read_text()[-3000:]}")
        time.sleep(0.2)


def _answers(server: Server, path: str) -> bool:
    try:
        server.ask(path)
    except (urllib.error.URLError, OSError):
        return False
    return True


def _memory(process: int, kind: str) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")), 0)


def _end_group(group: int) -> None:
    """What a server has left running; nothing, if it ended as it should."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
