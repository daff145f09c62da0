"""Where the time of a nightly run goes: every step of flights, as of 2013-09-01, in its container.

    make bench-nightly

Prints for each task where its seconds go: the container (made, started, removed), the start of the stage
(interpreter, imports, configuration), and its work: store, reading, computing, writing, which are summed over threads;
then the same for an unchanged second run, the imports of a stage, and what a DAG file costs beyond Airflow's own
imports. Needs a container engine and the images.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from ml_pipeline.artifacts import embedded
from ml_pipeline.contract import StageRequest, StageResult
from ml_pipeline.discovery import find
from ml_pipeline.errors import NothingToDo
from ml_pipeline.stages import Task, tasks
from ml_pipeline.stopwatch import ACTIVITIES

ROOT = Path(__file__).parents[2]
AS_OF = dt.datetime(2013, 9, 1, 4, tzinfo=dt.UTC)
DAG_FILE = """
import time, runpy
from airflow.sdk import DAG, CronTriggerTimetable, TaskGroup, BaseOperator
import airflow.providers.docker.operators.docker
DAG("warm", schedule=CronTriggerTimetable("0 2 * * *", timezone="UTC"))
began = time.perf_counter()
runpy.run_path("dags/offline_training.py")
print(time.perf_counter() - began)
"""
IMPORTS = """
import time; began = time.perf_counter()
import ml_pipeline.run, ml_pipeline.handlers.{handler}, pyarrow.parquet
print(time.perf_counter() - began)
"""


def main() -> None:
    """Run twice and print."""
    with tempfile.TemporaryDirectory() as folder:
        endpoint = embedded.start(Path(folder))
        try:
            full, again = _night(endpoint, "first"), _night(endpoint, "second")
        finally:
            embedded.stop(Path(folder))
    print(f"\nunchanged second run: {again[0] / full[0]:.1%} of the wall time, {again[1] / full[1]:.1%} of the work")
    for handler in ("ingest", "train", "serve"):
        seconds = min(_python(IMPORTS.format(handler=handler)) for _ in range(3))
        print(f"imports of {handler}: {seconds:.2f} s")
    print(f"DAG file beyond Airflow's own imports: {1000 * min(_python(DAG_FILE) for _ in range(3)):.0f} ms")


def _night(endpoint: embedded.Endpoint, run: str) -> tuple[float, float]:
    """Wall and inner seconds of all tasks of one offline run, one after the other."""
    titles = ("wall s", "container", "start", "work", *ACTIVITIES)
    print("\n" + _line(f"{run} run", *titles))
    rows = [_task(endpoint, run, task) for task in tasks(find("flights").config, "offline")]
    total = [sum(column) for column in zip(*rows, strict=True)]
    print(_line("all", *total))
    return total[0], total[3]


def _task(endpoint: embedded.Endpoint, run: str, task: Task) -> tuple[float, ...]:
    names = tuple(step.name for step in task.steps)
    request = StageRequest("flights", "offline", names, f"bench-{run}", AS_OF, endpoint.uri)
    began = time.perf_counter()
    started, ended = _container(task.image, ["stage", msgspec.json.encode(request).decode()], endpoint)
    wall = time.perf_counter() - began
    results = [_result(endpoint, run, name) for name in names]
    work = sum(result.seconds for result in results)
    first = results[0].finished - dt.timedelta(seconds=results[0].seconds)
    seconds = (wall, wall - (ended - started).total_seconds(), (first - started).total_seconds(), work)
    row = (*seconds, *(sum(result.spent.get(activity, 0.0) for result in results) for activity in ACTIVITIES))
    print(_line(task.name, *row))
    return row


def _line(name: str, *cells: str | float) -> str:
    return f"{name:26}" + "".join(f"{cell:>11}" if isinstance(cell, str) else f"{cell:11.2f}" for cell in cells)


def _container(image: str, arguments: list[str], endpoint: embedded.Endpoint) -> tuple[dt.datetime, dt.datetime]:
    """When the stage's process began and ended, by the engine's clock, which is this machine's."""
    copied = endpoint.credentials.with_name("for-containers")
    copied.write_bytes(endpoint.credentials.read_bytes())
    os.chown(copied, 10001, 10001)
    settings = {**endpoint.environment, "AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/aws-credentials"}
    variables = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
    copied.parent.chmod(0o711)
    mount = ["-v", f"{copied}:/run/secrets/aws-credentials:ro"]
    container = _docker("create", *mount, *variables, f"ml-pipeline/{image}:latest", *arguments)
    try:
        _docker("start", "--attach", container)
        begun, ended = _docker("inspect", "--format", "{{.State.StartedAt}} {{.State.FinishedAt}}", container).split()
    finally:
        _docker("rm", "--force", container)
    return _moment(begun), _moment(ended)


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode not in (0, NothingToDo.exit_code):  # a candidate that is no better is not promoted
        sys.exit(done.stderr[-2000:])
    return done.stdout.strip()


def _moment(text: str) -> dt.datetime:
    """The engine counts nanoseconds."""
    return dt.datetime.fromisoformat(f"{text[:26].rstrip('Z')}+00:00")


def _result(endpoint: embedded.Endpoint, run: str, step: str) -> StageResult:
    from ml_pipeline.artifacts.store import Store
    from ml_pipeline.contract import run_key

    os.environ |= endpoint.environment
    content = Store(endpoint.uri).within("flights").get(run_key(f"bench-{run}", step))
    return msgspec.json.decode(content, type=StageResult)


def _python(code: str) -> float:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.strip().splitlines()[-1]))


if __name__ == "__main__":
    main()
