"""Airflow's own DockerOperator and ours, side by side, under the same twelve faults.

    make faults-peers

Every try of a task runs under Airflow's own supervisor and task runner in processes of its own, every container on a
real engine, and every fault is real; the API server alone, to which supervisors report, is a stand-in that answers as
Airflow's does. All that the tables say was seen.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path

import docker

from tests.airflow.own_engine import CAN_START, TAG, Engine
from tests.airflow.stand_in_image import stand_in_image
from tests.airflow.worker import IMAGE, PROCESSES
from tests.faults.journal import journal
from tests.faults.peers_case import OURS, STOCK, Case, Ground, Seen
from tests.faults.peers_faults import FAULTS, RESTART, Fault
from tests.faults.peers_table import errors, phrases, table

AT_A_TIME = 4
"""Cases: most of them wait most of the time."""

ENGINE = "unix:///var/run/docker.sock"
"""Where it is, unless `DOCKER_HOST` says otherwise."""


def main(words: Sequence[str]) -> int:
    """Exit code 0 where ours is right under every fault."""
    parser = argparse.ArgumentParser(description="The DockerOperator and ours under the same faults.")
    parser.add_argument("--only", type=int, nargs="+", choices=range(1, len(FAULTS) + 1), help="numbers of rows")
    parser.add_argument(
        "--auto-remove", default="success", choices=["never", "success", "force"], help="of stock tasks"
    )
    parser.add_argument("--named", action="store_true", help="a container_name for all tries of a stock task")
    asked = parser.parse_args(words)
    chosen = [FAULTS[row - 1] for row in asked.only or range(1, len(FAULTS) + 1)]
    with tempfile.TemporaryDirectory(prefix="ml-pipeline-peers-", ignore_cleanup_errors=True) as folder:
        _prepare(Path(folder))
        with _usual(Path(folder), asked.auto_remove, asked.named) as usual:
            found, setting = observe(chosen, usual), _setting(usual)
    print(setting, table(found), errors(found), sep="\n\n")
    return int(any(phrase.wrong for fault, (_, ours) in found.items() for phrase in phrases(fault, ours)))


def observe(faults: Sequence[Fault], usual: Ground) -> dict[Fault, list[Seen]]:
    """What came of each, of the stock task first; without what only root can do where nobody is."""
    if not CAN_START:
        faults = [fault for fault in faults if fault is not RESTART]
    with _own(usual, needed=RESTART in faults) as own:
        grounds = {fault: own if fault is RESTART else usual for fault in faults}
        jobs = [(fault, task, grounds[fault]) for fault in faults for task in (STOCK, OURS)]
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            seen = [*pool.map(_struck, *zip(*jobs, strict=True))]
    return {fault: seen[2 * at : 2 * at + 2] for at, fault in enumerate(faults)}


def _struck(fault: Fault, task: str, ground: Ground) -> Seen:
    """One task from its first try to its end."""
    with ground.turn, closing(docker.DockerClient(ground.url)) as client:
        case = Case(ground, str(FAULTS.index(fault) + 1), task, fault.stage, fault.timeout)
        case.begin()
        if fault.strike:
            fault.strike(case)
        case.finish()
        return case.seen(client)


@contextmanager
def _usual(folder: Path, auto_remove: str, named: bool) -> Iterator[Ground]:
    url = os.environ.get("DOCKER_HOST") or ENGINE
    with closing(docker.DockerClient(url)) as client, stand_in_image(client, IMAGE), journal(url) as told:
        yield Ground(url, IMAGE, told, folder, auto_remove, named)


@contextmanager
def _own(usual: Ground, *, needed: bool) -> Iterator[Ground]:
    """An engine that may be restarted, with the same image, for one case at a time; the usual one where none is."""
    if not needed:
        yield usual
        return
    engine = Engine(Path(tempfile.mkdtemp(prefix="ml-pipeline-engine-", dir="/var/tmp")))
    try:
        engine.start(live_restore=True)
        engine.load(IMAGE)
        with journal(engine.url) as told:
            yield usual._replace(url=engine.url, image=TAG, journal=told, engine=engine, turn=threading.Lock())
    finally:
        engine.clear()


def _prepare(folder: Path) -> None:
    """Airflow reads its settings when it is first imported, which the server of processes does once for all of them."""
    folder.chmod(0o755)
    os.environ |= {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    }
    runs = [f"airflow.sdk.execution_time.{name}" for name in ("supervisor", "task_runner")]
    PROCESSES.set_forkserver_preload([*runs, "airflow.dag_processing.dagbag", "ml_pipeline_airflow.stage_operator"])


def _setting(ground: Ground) -> str:
    """What it was tried on."""
    with closing(docker.DockerClient(ground.url)) as client:
        engine = client.version()["Version"]
    packages = [f"{name} {version(name)}" for name in ("apache-airflow", "apache-airflow-providers-docker")]
    named = " and a container_name" if ground.named else ""
    return f"{', '.join(packages)}, engine {engine}; stock tasks with auto_remove={ground.auto_remove!r}{named}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
