"""Where the time of a nightly run goes: every step of flights, as of 2013-09-01, in its container.

    make bench-nightly

Prints for each step the wall time of its container, the time of its work inside, and the difference (container start,
imports, contract, store); then the same for an unchanged second run, the imports of a stage, and what a DAG file costs
beyond Airflow's own imports. Needs a container engine and the images.
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
from ml_pipeline.stages import tasks

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
    """Wall and inner seconds of all steps of one offline run, one after the other."""
    print(f"\n{run + ' run':26}{'wall s':>8}{'inside':>8}{'overhead':>10}")
    wall = inside = 0.0
    for task in tasks(find("flights").config, "offline"):
        names = tuple(step.name for step in task.steps)
        request = StageRequest("flights", "offline", names, f"bench-{run}", AS_OF, endpoint.uri)
        began = time.perf_counter()
        _container(task.image, ["stage", msgspec.json.encode(request).decode()], endpoint)
        seconds = time.perf_counter() - began
        own = sum(_result(endpoint, run, name).seconds for name in names)
        print(f"{task.name:26}{seconds:8.2f}{own:8.2f}{seconds - own:10.2f}")
        wall, inside = wall + seconds, inside + own
    print(f"{'all':26}{wall:8.2f}{inside:8.2f}{wall - inside:10.2f}")
    return wall, inside


def _container(image: str, arguments: list[str], endpoint: embedded.Endpoint) -> None:
    copied = endpoint.credentials.with_name("for-containers")
    copied.write_bytes(endpoint.credentials.read_bytes())
    os.chown(copied, 10001, 10001)
    settings = {**endpoint.environment, "AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/aws-credentials"}
    variables = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
    copied.parent.chmod(0o711)
    command = ["docker", "run", "--rm", "-v", f"{copied}:/run/secrets/aws-credentials:ro", *variables]
    done = subprocess.run(
        [*command, f"ml-pipeline/{image}:latest", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr[-2000:])


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
