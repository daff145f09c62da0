"""Places for runs, shared by all workers of a server: whoever holds the lock on a file of the folder has the place.

The system frees a lock when its holder ends, in whatever way.
"""

from __future__ import annotations

import asyncio
import fcntl
from pathlib import Path
from typing import IO

LOOK_AGAIN = 0.2
"""Seconds."""


class Slots:
    """So many places as there may be runs at once."""

    def __init__(self, folder: Path, count: int) -> None:
        self.paths = [folder / f"slot-{number}" for number in range(count)]

    async def wait(self, given_up: asyncio.Event) -> IO[bytes] | None:
        """A place as soon as there is one, which is had until it is closed; none once the wait is given up."""
        while not given_up.is_set():
            if held := self._take():
                return held
            await asyncio.sleep(LOOK_AGAIN)
        return None

    def _take(self) -> IO[bytes] | None:
        for path in self.paths:
            file = path.open("ab")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
            else:
                return file
        return None
