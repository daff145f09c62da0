"""Both DAGs of a use case as of one day, task by task as Airflow runs them: each try in a worker, and tried again."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

from ml_pipeline_airflow import builder, outcome, request

from ml_pipeline.contract import Mode, StageRequest, moment
from ml_pipeline.discovery import find
from ml_pipeline.errors import PipelineError
from ml_pipeline.stages import IMAGES, Task, tasks

AS_OF = "2024-06-16"
"""A day on which the scaffold's records have labels before, and none after."""
TRIES = 3
PAUSE = 0.3
"""Seconds before the next try; Airflow's own are longer and prove no more."""
LONGEST = 300
"""Seconds after which a try will never end, however busy the machine is."""
FOR_GOOD = ("AirflowFailException", "AirflowSkipException")
"""Airflow does not try again after these."""
MODES: tuple[Mode, ...] = ("offline", "online")

FORKS = multiprocessing.get_context("forkserver")
"""Workers come from a process that has imported everything and done nothing: what another has done may not survive."""
FORKS.set_forkserver_preload(["tests.faults.night", "ml_pipeline_airflow.stage_operator", "docker", "obstore"])


class Run(NamedTuple):
    """A run of each DAG: Airflow's id, how often it was cleared, and the image that its stages run in."""

    use_case: str
    id: str
    image: str
    cleared: int = 0


class Order(NamedTuple):
    """Which try of which task."""

    run: Run
    mode: Mode
    task: Task
    number: int

    @property
    def name(self) -> str:
        """Unlike that of any other."""
        return f"{self.run.id}-{self.mode}-{self.task.name}-{self.number}"

    @property
    def instance(self) -> SimpleNamespace:
        """The task instance, as Airflow tells a task."""
        dag = f"{self.run.use_case}.{builder.NAMES[self.mode]}"
        id_ = f"{self.run.id}-{self.mode}-{self.task.name}"
        return SimpleNamespace(
            id=id_, try_number=self.number, dag_id=dag, run_id=self.run.id, task_id=self.task.name, map_index=-1
        )

    def context(self) -> Any:
        """What Airflow tells a task, as far as stages need it."""
        ti = self.instance
        dag_run = SimpleNamespace(run_type="manual", triggering_user_name="admin", clear_number=self.run.cleared)
        asked: dict[str, Any] = {"as_of": None, "force": [], "parameters": {}, "promote": True}
        told = {"params": asked, "ti": ti, "task_instance": ti, "dag_run": dag_run, "run_id": ti.run_id}
        return {**told, "outlet_events": defaultdict(lambda: SimpleNamespace(extra={}))}

    def has_results(self) -> bool:
        """Whether every step has left the result of this very try, whatever became of the task."""
        config = find(self.run.use_case).config
        made = StageRequest(
            self.run.use_case,
            self.mode,
            tuple(step.name for step in self.task.steps),
            run_id=request.run_name(self.mode, self.run.id),
            as_of=moment(AS_OF, config.timezone),
            store=request.store_uri(),
            attempt=request.attempt({"ti": self.instance}),
        )
        with suppress(PipelineError):
            return bool(outcome.results(made))
        return False


class Worker:
    """A process of its own that executes one try, as Airflow's task runner does."""

    def __init__(self, order: Order, folder: Path) -> None:
        self.file = folder / f"{order.name}.json"
        self.process = FORKS.Process(target=_work, args=(order, dict(os.environ), self.file), daemon=True)
        self.process.start()

    def kill(self) -> bool:
        """SIGKILL: nothing is tidied up. False where it had ended."""
        alive = self.process.is_alive()
        self.process.kill()
        return alive

    def terminate(self) -> bool:
        """SIGTERM, as Airflow sends it to a task that was marked failed, or cleared. False where it had ended."""
        alive = self.process.is_alive()
        self.process.terminate()
        return alive

    def outcome(self) -> Any:
        """Waits for the end. None where it was killed."""
        self.process.join(LONGEST)
        if self.process.is_alive():
            self.kill()
            return ["TimeoutError", f"it did not end within {LONGEST} s"]
        with suppress(FileNotFoundError):
            return json.loads(self.file.read_text())
        return None


class Ended(NamedTuple):
    """A try that is over.

    `outcome` is what the task returned, the name and text of what it raised, or None from a killed worker. `owes` says
    whether it has not left its results.
    """

    order: Order
    outcome: Any
    seconds: float
    owes: bool

    @property
    def green(self) -> bool:
        """Whether Airflow would call it a success."""
        return isinstance(self.outcome, dict)

    @property
    def for_good(self) -> bool:
        """Whether Airflow would not try again."""
        return self.green or (bool(self.outcome) and self.outcome[0] in FOR_GOOD)


Watcher: TypeAlias = Callable[["Night", int], None]
"""Told of a night and the how manyth task of it has begun."""


class Night:
    """The tasks of a run of each DAG, one after the other.

    Args:
        run: Which.
        folder: Where workers leave what came of them, and what they said.
        first: Number of the first try of each task.
        begun: Told of every try, as soon as it is at work.
    """

    def __init__(self, run: Run, folder: Path, first: int = 1, begun: Watcher = lambda *_: None) -> None:
        self.run, self.folder, self.first, self.begun = run, folder, first, begun
        self.tries: list[Ended] = []
        self.now: Worker | None = None

    def go(self) -> bool:
        """Run them; False where one has failed for good, and nothing after it was begun."""
        config = find(self.run.use_case).config
        ordered = [(mode, task) for mode in MODES for task in tasks(config, mode)]
        return all(self._task(place, mode, task) for place, (mode, task) in enumerate(ordered))

    @property
    def green(self) -> bool:
        """Whether the last task was a success."""
        return self.tries[-1].green

    @property
    def told(self) -> dict[str, dict[str, Any]]:
        """Step -> what Airflow was told of it, of the tasks that were green."""
        return {step: told for one in self.tries if one.green for step, told in one.outcome["steps"].items()}

    def _task(self, place: int, mode: Mode, task: Task) -> bool:
        for number in range(self.first, self.first + TRIES):
            self.tries.append(self._try(place, Order(self.run, mode, task, number)))
            if self.tries[-1].for_good:
                return self.tries[-1].green
            time.sleep(PAUSE)
        return False

    def _try(self, place: int, order: Order) -> Ended:
        began = time.monotonic()
        self.now = Worker(order, self.folder)
        self.begun(self, place)
        found = self.now.outcome()
        return Ended(order, found, time.monotonic() - began, not (isinstance(found, dict) or order.has_results()))


def ready() -> None:
    """The first of them waits until all is imported."""


def _work(order: Order, environment: dict[str, str], file: Path) -> None:
    os.environ |= environment
    tempfile.tempdir = None  # to be looked up in the environment again
    log = os.open(file.with_suffix(".log"), os.O_WRONLY | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    operator = builder.operator(order.task, find(order.run.use_case).config, order.mode)
    operator.as_of, operator.airflow_run = AS_OF, order.run.id  # templates, as Airflow renders them
    operator.references = dict.fromkeys(IMAGES, order.run.image)
    signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    try:
        found: Any = operator.execute(order.context())
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        found = [type(error).__name__, str(error)]
    new = file.with_suffix(".new")
    new.write_text(json.dumps(found))
    new.replace(file)
