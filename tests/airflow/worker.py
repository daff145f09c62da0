"""A worker: a process of its own that executes an operator as Airflow's task runner does, and that is really killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

IMAGE = f"ml-pipeline-test/stand-in:{os.getpid()}"
"""In which stages are stand-ins; of this process alone, for others test at the same time."""

PATIENCE = 60
"""Seconds after which something that is waited for will not come, however busy the machine is."""

PROCESSES = multiprocessing.get_context("forkserver")
"""Airflow is imported once, by a process without threads of which workers are copies."""
PROCESSES.set_forkserver_preload(["ml_pipeline_airflow.stage_operator", "ml_pipeline.artifacts.store"])


def operator(how: str = "done", image: str = IMAGE, runner: str = "docker", **more: Any) -> Any:
    """One that runs a stand-in."""
    settings = {"task_id": "split", "use_case": "demo", "mode": "offline", "image": "data", "stages": ["split"]}
    if runner == "kubernetes":
        from ml_pipeline_airflow.pod_operator import PodStageOperator

        made: Any = PodStageOperator(**{**settings, "env_vars": {"STAND_IN": how}, **more})
    else:
        from ml_pipeline_airflow.stage_operator import StageOperator
        from ml_pipeline_airflow.swarm_operator import SwarmStageOperator

        kind = SwarmStageOperator if runner == "swarm" else StageOperator
        made = kind(**{**settings, "references": {"data": image}, "environment": {"STAND_IN": how}, **more})
    made.as_of, made.airflow_run = "2013-09-01", "r:1"
    return made


def context(try_number: int = 1, clear_number: int = 0, **params: Any) -> dict[str, Any]:
    """What Airflow tells a task when it runs, as far as stages need it."""
    ti = SimpleNamespace(
        id="0198-ti",
        try_number=try_number,
        dag_id="demo.offline_training",
        run_id="r:1",
        task_id="split",
        map_index=-1,
        xcom_push=lambda **_: None,
    )
    dag_run = SimpleNamespace(run_type="manual", triggering_user_name="admin", clear_number=clear_number)
    asked = {"as_of": None, "force": [], "parameters": {}, "promote": False, **params}
    return {"params": asked, "ti": ti, "task_instance": ti, "dag_run": dag_run, "run_id": "r:1", "dag": None}


class Worker:
    """Starts at once. `outcome` is what the task returned, or the name and text of what it raised."""

    def __init__(self, folder: Path, settings: dict[str, Any], told: dict[str, Any]) -> None:
        self.file = folder / f"outcome-{time.monotonic_ns()}.json"
        self.process = PROCESSES.Process(
            target=_work, args=(dict(os.environ), sys.path, settings, told, self.file), daemon=True
        )
        self.process.start()

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        self.process.kill()
        self.process.join(PATIENCE)

    def terminate(self) -> None:
        """SIGTERM, as Airflow sends it to a task that was marked failed, or cleared."""
        self.process.terminate()

    def outcome(self) -> Any:
        """Waits for the end."""
        self.process.join(PATIENCE)
        return json.loads(self.file.read_text())


def _work(
    environment: dict[str, str], path: list[str], settings: dict[str, Any], told: dict[str, Any], file: Path
) -> None:
    os.environ.clear()  # the process that it is a copy of began in the environment of another test
    os.environ |= environment
    sys.path[:] = path
    tempfile.tempdir = None  # to be looked up in the environment again
    made = operator(**settings)
    signal.signal(signal.SIGTERM, lambda *_: made.on_kill())
    try:
        found = made.execute(context(**told))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        found = [type(error).__name__, str(error)]
    file.write_text(json.dumps(found))


def until(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Wait for something that is true, and return it."""
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.05)
    return found
