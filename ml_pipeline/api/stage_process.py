"""The stage command as a process of its own: how far it is, how it ended, and how it is stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from typing import Any

import msgspec

from ml_pipeline.api.orders import Progress

COMMAND = (sys.executable, "-m", "ml_pipeline", "stage")
PATIENCE = 4.0
"""Seconds that a process which is told to stop has, before it is made to."""
TAIL = 64 << 10
"""Bytes of its last words that are looked at for an error."""


class StageProcess:
    """One process. `command` is what comes before the request."""

    def __init__(self, request: str, command: Sequence[str] = COMMAND) -> None:
        self.request, self.command = request, command
        self.stopped = asyncio.Event()

    async def run(self, heard: Callable[[Progress], None]) -> tuple[int, dict[str, Any] | None]:
        """Run it to its end; its exit code, and the error that it said.

        Its log goes on to this process's own; `heard` is called with its progress, from another thread.
        """
        reading, writing = os.pipe()
        Thread(target=_listen, args=(reading, heard), daemon=True).start()
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command, "--progress-to", str(writing), self.request,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
                pass_fds=(writing,), start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(writing)
        words, stopper = Words(process.stderr), asyncio.create_task(self._stop(process))
        try:
            code = await process.wait()
        finally:
            stopper.cancel()
            with suppress(ProcessLookupError):
                process.kill()
        return code, _error(await words.last())

    def stop(self) -> None:
        """Tell it to stop; `run` returns when it has."""
        self.stopped.set()

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        await self.stopped.wait()
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            await asyncio.sleep(PATIENCE)


class Words:
    """What a process says: it goes to our own log as it stands, and the last of it is kept."""

    def __init__(self, stream: asyncio.StreamReader | None) -> None:
        self.tail = b""
        self.task = asyncio.create_task(self._follow(stream)) if stream else None

    async def last(self) -> bytes:
        """The last of it, after the process has ended; a process that it left behind may still hold the pipe."""
        if self.task:
            await asyncio.wait([self.task], timeout=1)
            self.task.cancel()
        return self.tail

    async def _follow(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(TAIL):
            sys.stderr.write(chunk.decode("utf-8", "replace"))
            sys.stderr.flush()
            self.tail = (self.tail + chunk)[-TAIL:]


def _listen(reading: int, heard: Callable[[Progress], None]) -> None:
    """JSON lines, until the process closes its end."""
    with os.fdopen(reading, "rb") as lines:
        for line in lines:
            with suppress(msgspec.DecodeError):
                heard(msgspec.json.decode(line, type=Progress))


def _error(said: bytes) -> dict[str, Any] | None:
    """The last line that is an error in JSON."""
    for line in reversed(said.splitlines()):
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and "error" in found:
                return found
    return None
