"""What a campaign has to itself: a container engine, an object store on a disk, and the wire between them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from ml_pipeline_airflow import mounts

from ml_pipeline.artifacts import embedded, process
from ml_pipeline.artifacts.embedded import Endpoint
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import StoreError
from tests.airflow.worker import until
from tests.faults import clock
from tests.faults.engine import GATEWAY, Engine
from tests.faults.wire import Address, Wire

DISK = "640m"
"""Size of the store's disk, which is filled up now and then."""
PIECE = 1 << 20
WAKES = 180.0
"""Seconds within which the store must have seen that it has room again."""


class StoreServer:
    """The embedded object store on a disk of its own, reached by way of a wire."""

    def __init__(self, folder: Path, near: str = GATEWAY) -> None:
        self.folder, self.disk = folder, folder / "data"
        self.disk.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "store", str(self.disk)]
        made = subprocess.run(command, check=False, capture_output=True)
        if made.returncode:
            raise RuntimeError(f"a disk that can be full needs a mount, and this one failed: {made.stderr.decode()}")
        self.endpoint = embedded.start(folder)
        self.wire = Wire(_address(self.endpoint), near)

    @property
    def environment(self) -> dict[str, str]:
        """Settings by which clients find it, at the near end of the wire."""
        return self.endpoint.environment | {"AWS_ENDPOINT_URL": "http://{}:{}".format(*self.wire.address)}

    def kill(self) -> None:
        """SIGKILL."""
        if pid := process.running(self.folder):
            os.kill(pid, signal.SIGKILL)
        until(lambda: process.running(self.folder) is None)

    def start(self) -> None:
        """Again, on the port that it had, or, where somebody has taken that meanwhile, on another.

        One that runs stays as it is, unless its disk has been full.
        """
        self.wire.target = _address(embedded.start(self.folder))

    def fill(self) -> None:
        """Leave no room on the disk."""
        with suppress(OSError), (self.disk / "filler").open("wb", buffering=0) as file:
            while file.write(bytes(PIECE)):
                pass

    def drain(self) -> None:
        """Room again."""
        (self.disk / "filler").unlink(missing_ok=True)

    def ready(self) -> None:
        """As it is after somebody has looked: started again where its disk was full, and taking objects.

        It looks for room once a minute.
        """
        self.start()
        end = time.monotonic() + WAKES
        while not self._takes():
            if time.monotonic() > end:
                raise RuntimeError("the object store takes no objects any more, although there is room")
            time.sleep(0.2)

    def end(self) -> None:
        """Nothing is left of it."""
        self.wire.close()
        embedded.stop(self.folder)
        subprocess.run(["umount", "--lazy", self.disk], check=True)

    def _takes(self) -> bool:
        try:
            Store(self.endpoint.uri).put(".faults", b"something")
        except StoreError:
            return False
        return True


def _address(endpoint: Endpoint) -> Address:
    at = urlsplit(endpoint.url)
    return Address(str(at.hostname), at.port or 80)


class Place(NamedTuple):
    """All of it, and the image that stages run in: as it is, and with a clock that can be set."""

    engine: Engine
    store: StoreServer
    folder: Path
    image: str
    with_clock: str

    @property
    def work(self) -> Path:
        """Folder for what workers leave: outcomes, logs, and copies of credentials, which the sweeper removes."""
        return self.folder / "work"

    @property
    def environment(self) -> dict[str, str]:
        """Settings of workers."""
        return {"DOCKER_HOST": self.engine.url, "TMPDIR": str(self.work), **self.store.environment}

    def copies(self) -> list[str]:
        """Of credentials."""
        return [path.name for path in self.work.glob(f"{mounts.FOLDER}*")]


@contextmanager
def at(folder: Path, image: str) -> Iterator[Place]:
    """A place that works, with an image of the usual engine's; nothing of it runs afterwards."""
    (folder / "work").mkdir()
    engine = Engine(folder / "engine")
    try:
        engine.begin()
        engine.take(image)
        with_clock = clock.image(engine, image, folder)
        store = StoreServer(folder / "store")
        try:
            yield Place(engine, store, folder, image, with_clock)
        finally:
            store.end()
    finally:
        engine.end()
