"""Many threads that read a use case first, all at once, all read it."""

from __future__ import annotations

import subprocess
import sys

RACE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from ml_pipeline.discovery import find

sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(8) as threads:
    print(*(found.config.name for found in threads.map(find, ["flights", "clinical_trials"] * 8)))
"""


def test_threads_that_decode_first_at_once_all_come_through() -> None:
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", RACE], check=False, capture_output=True, text=True, timeout=300)
        assert (done.returncode, done.stdout.split()) == (0, ["flights", "clinical_trials"] * 8)
