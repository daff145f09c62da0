"""One task that a fault strikes: its store, its tries, its containers, and what came of them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

import docker
from ml_pipeline_airflow.identity import STORE
from ml_pipeline_airflow.mounts import FOLDER

from tests.airflow.own_engine import Engine
from tests.airflow.worker import until
from tests.faults.journal import Event, Journal
from tests.faults.supervised import GONE, NOT_RUNNING, Task, Try

USE_CASE, DAG_ID, RUN, STOCK, OURS = "flights", "peers", "r", "stock", "ours"
DAG_FILE = Path(__file__).with_name("peers_dag.py")

IMAGE, STAGE, TIMEOUT, ARGUMENTS = (f"PEERS_{name}" for name in ("IMAGE", "STAGE", "TIMEOUT", "ARGUMENTS"))
"""Variables: what to run, how it behaves, seconds that it may take, and more arguments of the stock task as JSON."""

RETRIES = 1
SECRET = "planted/secret+1"
SECRETS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": SECRET}
AT_WORK = ("waiting at the gate", "hanging")
SETTLED = 15.0
"""Seconds after which what still runs will not end by itself: an engine kills what it was told to stop after ten."""


class Ground(NamedTuple):
    """The engine that a case is on, its image, its journal, a folder that it sees too, and whose turn it is.

    `auto_remove` is that of stock tasks; `named` is whether their containers have one name for all tries.
    """

    url: str
    image: str
    journal: Journal
    folder: Path
    auto_remove: str
    named: bool
    engine: Engine | None = None
    turn: AbstractContextManager[Any] = nullcontext()


class Seen(NamedTuple):
    """What came of it.

    `state` is what Airflow believes, `finished` whether the stage has left its result; `runs` are starts of
    containers, `at_once` how many ran at the same time, `published` how many came to their end by themselves and left
    a result. `errors` are those of the try that was struck, the last one first.
    """

    state: str
    tries: int
    finished: bool
    runs: int
    at_once: int
    published: int
    left: Sequence[str]
    errors: Sequence[str]
    leaks: Sequence[str]
    hung: bool


class Case:
    """One of the two tasks, with a stage that behaves as said."""

    def __init__(self, ground: Ground, name: str, task: str, stage: str, timeout: float) -> None:
        self.ground, self.task, self.marked = ground, task, ""
        self.folder = ground.folder / name / task
        self.store, self.temporary = self.folder / "store", self.folder / "tmp"
        self.room = self.store / USE_CASE
        for folder in (self.room, self.temporary):
            folder.mkdir(parents=True)
        for folder in (self.store, self.room):
            folder.chmod(0o777)  # the user of stages writes there
        named = {"container_name": f"peers-{os.getpid()}-{name}"} if ground.named else {}
        arguments = json.dumps({"auto_remove": ground.auto_remove, **named})
        given = {IMAGE: ground.image, STAGE: stage, TIMEOUT: str(timeout), ARGUMENTS: arguments}
        self.environment = {**os.environ, **SECRETS, **given, "DOCKER_HOST": ground.url}
        self.environment |= {"ML_PIPELINE_STORE": str(self.store), "TMPDIR": str(self.temporary)}
        self.tries: list[Try] = []

    @property
    def last(self) -> Try:
        """The one that counts."""
        return self.tries[-1]

    @property
    def state(self) -> str:
        """What Airflow believes."""
        return self.marked or self.last.state or "nothing told"

    def begin(self) -> None:
        """One more try, which takes the place of those before it."""
        for earlier in self.tries:
            earlier.refuse(GONE)
        told = Task(DAG_FILE, DAG_ID, RUN, self.task, len(self.tries) + 1, RETRIES)
        self.tries.append(Try(self.folder, told, self.environment))

    def at_work(self) -> None:
        """Wait until the last try has seen its stage at work, or has ended."""
        until(lambda: any(words in self.last.log for words in AT_WORK) or not self.last.process.is_alive())

    def mark_failed(self) -> None:
        """As a person does in the UI."""
        self.last.refuse(NOT_RUNNING)
        self.marked = "failed"

    def open(self) -> None:
        """The gate, for all that wait at it now or later."""
        (self.room / "gate").touch()

    def finish(self) -> None:
        """Wait for the end, and try again as long as Airflow would."""
        self.last.wait()
        while self.state in ("nothing told", "up_for_retry") and len(self.tries) <= RETRIES:
            self.begin()
            self.at_work()
            self.open()
            self.last.wait()

    def containers(self, client: docker.DockerClient) -> list[Any]:
        """All that are there."""
        ours = {"label": f"{STORE}={self.store}"}
        found: list[Any] = client.containers.list(all=True, ignore_removed=True, filters=ours)
        return found

    def seen(self, client: docker.DockerClient) -> Seen:
        """Once nothing moves any more; nothing is left afterwards."""
        with suppress(AssertionError):
            until(lambda: not any(one.status == "running" for one in self.containers(client)), SETTLED)
            until(lambda: all(run[-1].action == "die" for run in self._runs()), SETTLED)
        runs = self._runs()
        left = self.containers(client)
        found = Seen(
            state=self.state,
            tries=len(self.tries),
            finished=bool(finished := list(self.room.glob("runs/*/split/result.json"))),
            runs=sum(event.action == "start" for run in runs for event in run),
            at_once=_at_once(runs),
            published=sum(_ended_well(run) for run in runs) if finished else 0,
            left=[*("kept" if "-try-" in one.name else one.status for one in left), *self._credentials()],
            errors=[error.replace(str(self.store), "STORE") for error in self.tries[0].errors],
            leaks=self._leaks(),
            hung=any(one.hangs for one in self.tries),
        )
        for container in left:
            container.remove(force=True)
        return found

    def _runs(self) -> list[list[Event]]:
        return self.ground.journal.runs(str(self.store))

    def _credentials(self) -> list[str]:
        """Copies of them that nobody has removed."""
        return ["with credentials"] * len(list(self.temporary.glob(f"{FOLDER}*")))

    def _leaks(self) -> list[str]:
        """Where the secret is to be read."""
        told = [told for one in self.tries for told in one.told]
        places = {
            "XCom": [one for one in told if "/xcoms/" in one["path"]],
            "rendered fields": [one for one in told if one["path"].endswith("/rtif")],
            "log": [one.log for one in self.tries],
        }
        return [place for place, content in places.items() if SECRET in json.dumps(content)]


def _at_once(runs: Sequence[Sequence[Event]]) -> int:
    """The most containers that ran at the same moment."""
    steps = {"start": 1, "die": -1}
    moves = sorted((event.at, steps[event.action]) for run in runs for event in run if event.action in steps)
    running = most = 0
    for _, step in moves:
        running += step
        most = max(most, running)
    return most


def _ended_well(run: Sequence[Event]) -> bool:
    """By itself: nobody told it to stop."""
    return run[-1].code == 0 and all(event.action != "kill" for event in run)
