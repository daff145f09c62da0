"""The server: uvicorn with one or several worker processes, which end in good order."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import msgspec
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from ml_pipeline.api.app import create
from ml_pipeline.api.metrics import SHARED
from ml_pipeline.api.protocol import BoundedProtocol
from ml_pipeline.api.settings import LOOPBACK, VARIABLE, Settings
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import UsageError

FACTORY = "ml_pipeline.api.server:application"
GRACE = 10
"""Seconds that requests have to end once the server is told to stop."""
IDLE = 30
"""Seconds that a connection may stay open without a request."""

SWITCH = 0.0005
"""Seconds for which a thread may hold the interpreter while requests wait; Python's 0.005 is a long time for them."""


def serve(settings: Settings, host: str, port: int, workers: int = 1) -> None:
    """Serve until the process is told to stop.

    Raises:
        UsageError: it would be open to other machines without tokens, or the address cannot be used.
        NotFoundError: there is no such model as a shadow.
        PipelineError: the application cannot be built as asked.
    """
    if host not in LOOPBACK and not settings.tokens:
        raise UsageError(
            "a server that other machines reach needs tokens",
            given=f"--host {host} without --tokens",
            expected="a token file",
            do="make one with `ml-pipeline api-token`, or listen on 127.0.0.1",
        )
    for use_case, version in settings.shadow.items():
        Registry(Store(settings.store).within(use_case)).model(version)
    with TemporaryDirectory(prefix="ml-pipeline-") as slots, _listening(host, port) as listener:
        _run(msgspec.structs.replace(settings, slots=settings.slots or slots), listener, workers)


def application() -> ASGIApp:
    """What a worker process serves, from the settings in its environment."""
    sys.setswitchinterval(SWITCH)
    handler, logger = logging.StreamHandler(), logging.getLogger("ml_pipeline")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return create(msgspec.json.decode(os.environ[VARIABLE], type=Settings))


def _run(settings: Settings, listener: socket.socket, workers: int) -> None:
    os.environ[VARIABLE] = msgspec.json.encode(settings).decode()
    sys.setswitchinterval(SWITCH)
    app = create(settings)  # also where each worker makes its own: what is wrong is said here, once
    config = uvicorn.Config(
        FACTORY if workers > 1 else app, factory=workers > 1, workers=workers, http=BoundedProtocol, ws="none",
        loop="uvloop", log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_keep_alive=IDLE, timeout_graceful_shutdown=GRACE, timeout_worker_healthcheck=60,
    )  # fmt: skip
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: None)  # uvicorn raises them again once it has stopped
    if workers == 1:
        uvicorn.Server(config).run(sockets=[listener])
        return
    with TemporaryDirectory(prefix="ml-pipeline-") as shared:
        os.environ[SHARED] = shared
        Multiprocess(config, sockets=[listener]).run()


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise UsageError(
                "the server cannot listen there", given=f"{host}:{port}, {error.strerror}", do="name another --port"
            ) from error
        at = f"[{host}]" if ":" in host else host
        logging.getLogger("ml_pipeline.api").info("http://%s:%d", at, listener.getsockname()[1])
        yield listener
