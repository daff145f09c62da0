"""What a boundary between services costs, in seconds and bytes: flights, as of 2013-09-01 and the next night.

    make bench-boundaries

Both modes run task by task, as processes and, where an engine answers, in containers, at three granularities: each
stage alone, three services, all in one. Printed for each: its tasks, the seconds of the first night, how many of them
went by before the stages began to work, and what lies in the store afterwards; the same of what the next night adds;
and, from the finest against the coarsest, what one boundary costs. Nothing waits for Airflow.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from ml_pipeline.artifacts import embedded
from ml_pipeline.artifacts.store import Store, _client, _reading
from ml_pipeline.contract import Mode, StageRequest, StageResult, run_key
from ml_pipeline.discovery import find
from ml_pipeline.errors import NothingToDo
from ml_pipeline.stages import Task, tasks
from tests.benchmarks import nightly
from tests.benchmarks.table import markdown
from tests.granularity import GRANULARITIES, MODES, services

NIGHTS = [dt.datetime(2013, 9, day, 4, tzinfo=dt.UTC) for day in (1, 2)]
Start = Callable[[Task, str, embedded.Endpoint], None]


class Night(NamedTuple):
    """What one night took: tasks, seconds in all and before the stages began to work, objects and bytes it added."""

    tasks: int
    wall: float
    start: float
    objects: int
    size: int


def main() -> None:
    """Run every granularity with every runner, and print."""
    runners: dict[str, Start] = {"process": _process, "container": _container}
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        del runners["container"]
    header = ["runs as", "services", "tasks", "s", "of it start", "MB", "objects", "next night s", "MB"]
    lines, costs = [header], []
    for runner, start in runners.items():
        found = {name: _measured(name, start) for name in GRANULARITIES}
        lines += [_line(runner, name, *nights) for name, nights in found.items()]
        costs += [_cost(runner, number, found["single"][number], found["one"][number]) for number in range(2)]
    print(markdown(lines))
    print("\n".join(costs))


def _measured(name: str, start: Start) -> list[Night]:
    with tempfile.TemporaryDirectory() as folder:
        endpoint = embedded.start(Path(folder))
        os.environ |= endpoint.environment
        _client.cache_clear()
        try:
            return [_night(endpoint, name, as_of, start) for as_of in NIGHTS]
        finally:
            embedded.stop(Path(folder))


def _night(endpoint: embedded.Endpoint, name: str, as_of: dt.datetime, start: Start) -> Night:
    objects, size = _stored(endpoint)
    done = [_task(endpoint, task, _request(endpoint, name, mode, task, as_of), start) for mode, task in _tasks(name)]
    walls, starts = zip(*done, strict=True)
    more, larger = _stored(endpoint)
    return Night(len(done), sum(walls), sum(starts), more - objects, larger - size)


def _tasks(name: str) -> list[tuple[Mode, Task]]:
    config = find("flights", services(name)).config
    return [(mode, task) for mode in MODES for task in tasks(config, mode)]


def _request(endpoint: embedded.Endpoint, name: str, mode: Mode, task: Task, as_of: dt.datetime) -> StageRequest:
    steps = tuple(step.name for step in task.steps)
    return StageRequest("flights", mode, steps, f"{mode}-{as_of:%d}", as_of, endpoint.uri, parameters=services(name))


def _task(endpoint: embedded.Endpoint, task: Task, request: StageRequest, start: Start) -> tuple[float, float]:
    """Seconds in all, and those that are not work of a stage."""
    began = time.perf_counter()
    start(task, msgspec.json.encode(request).decode(), endpoint)
    wall, room = time.perf_counter() - began, Store(endpoint.uri).within("flights")
    left = [room.get(run_key(request.run_id, step)) for step in request.stages]
    return wall, wall - sum(msgspec.json.decode(content, type=StageResult).seconds for content in left)


def _process(task: Task, request: str, endpoint: embedded.Endpoint) -> None:
    command = [sys.executable, "-m", "ml_pipeline", "stage", request]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, NothingToDo.exit_code):
        sys.exit(done.stderr[-2000:])


def _container(task: Task, request: str, endpoint: embedded.Endpoint) -> None:
    nightly._container(task.image, ["stage", request], endpoint)


def _stored(endpoint: embedded.Endpoint) -> tuple[int, int]:
    """Objects and their bytes."""
    sizes = [own["size"] for page in _reading(endpoint.uri).list("flights/") for own in page]
    return len(sizes), sum(sizes)


def _line(runner: str, name: str, first: Night, second: Night) -> list[str]:
    cells = [f"{first.wall:.1f}", f"{first.start:.1f}", f"{first.size / 1e6:.1f}", str(first.objects)]
    return [runner, name, str(first.tasks), *cells, f"{second.wall:.1f}", f"{second.size / 1e6:.1f}"]


def _cost(runner: str, number: int, fine: Night, coarse: Night) -> str:
    borders = fine.tasks - coarse.tasks
    seconds, size = (fine.wall - coarse.wall) / borders, (fine.size - coarse.size) / borders
    night = ("the first night", "the next night")[number]
    return f"one boundary, {runner}, {night}: {seconds:+.2f} s and {size / 1e6:+.2f} MB (of {borders})"


if __name__ == "__main__":
    main()
