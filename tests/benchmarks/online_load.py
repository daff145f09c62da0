"""Load by wrk: as many connections as are asked for, each sending the next request when the last is answered."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

SCRIPT = Path(__file__).with_suffix(".lua")
MISSING = "wrk, which makes the load, is not on this machine: `apt-get install wrk` (Debian), or `brew install wrk`"


class Load(NamedTuple):
    """What came of it: requests that were answered, those that failed, and milliseconds that answers took."""

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float
    slowest: float

    @property
    def rate(self) -> float:
        """Requests a second that did not fail."""
        return max(self.requests - self.failed, 0) / self.seconds


def is_there() -> bool:
    """Whether wrk can be run."""
    return shutil.which("wrk") is not None


def load(url: str, bodies: Path, connections: int, seconds: float) -> Load:
    """Send the bodies of a file, one a line, in turn.

    Raises:
        RuntimeError: wrk fails, with what it says.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "--timeout", "30s", "-s", SCRIPT, url]
    done = subprocess.run([*command, "--", bodies], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    return Load(**json.loads(done.stdout.splitlines()[-1]))
