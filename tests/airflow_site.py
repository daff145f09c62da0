"""Airflow at work as `make ui` starts it, with a home, a port and a log of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE = 300
"""Seconds after which something that is waited for will not come, however busy the machine is."""
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
"""How tests start a browser: without a screen, as root, and asking nobody for anything."""


@contextmanager
def airflow_at_work(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Its address, once scheduler and DAG processor are healthy; everything it writes is in `folder`."""
    url = f"http://127.0.0.1:{environment['AIRFLOW__API__PORT']}"
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "ml_pipeline_airflow.ui"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        wait(lambda: _healthy(url), PATIENCE, (folder / "log").read_text)
        yield url
    finally:
        _end(process)


def settings(folder: Path, **more: str) -> dict[str, str]:
    """An environment without Airflow's settings of this process, and with those of an Airflow in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    own = {
        "ML_PIPELINE_RUNNER": "process",
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__API__PORT": str(_free_port()),
        # As many processes as tasks that may run at a time are started at once; files of DAGs do not change meanwhile.
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120",
        "PYTHONPATH": str(ROOT / "plugins"),
    }
    return kept | own | more


def password(folder: Path) -> str:
    """Of the user admin."""
    file = folder / "airflow/simple_auth_manager_passwords.json.generated"
    found: str = json.loads(file.read_text())["admin"]
    return found


def wait(condition: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    """Until the condition holds; an AssertionError that says `why` where it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, why()[-2000:]
        time.sleep(0.5)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=PATIENCE) as answer:
            health = json.load(answer)
    except OSError:
        return False
    return bool(health["scheduler"]["status"] == "healthy" and health["dag_processor"]["status"] == "healthy")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask all that it started to end, then end what is left."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
