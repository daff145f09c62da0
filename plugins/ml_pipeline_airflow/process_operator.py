"""Stages as processes on the machine that runs the Airflow task: no container engine needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

import msgspec

import ml_pipeline
from ml_pipeline_airflow.execution import GRACE, Line
from ml_pipeline_airflow.stage_task import Order, StageTask

COMMAND = (sys.executable, "-m", "ml_pipeline", "stage")


class ProcessStageOperator(StageTask):
    """Runs steps of a use case in a process of their own."""

    command: Sequence[str] = COMMAND

    @contextmanager
    def start(self, order: Order) -> Iterator[StageProcess]:
        """Start the process; it and all it started are gone afterwards."""
        process = StageProcess([*self.command, msgspec.json.encode(order.request).decode()], order.request.attempt)
        self.log.info("process %s", process.child.pid)
        try:
            yield process
        finally:
            process.stop()


class StageProcess:
    """One process and its children, in a session of their own so that all of them can be stopped."""

    def __init__(self, command: Sequence[str], attempt: str) -> None:
        self.attempt = attempt
        self.child = subprocess.Popen(  # noqa: S603 - the command is our own, its one argument is JSON
            command,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def lines(self) -> Iterator[Line]:
        """What it writes to standard error."""
        with cast("IO[str]", self.child.stderr) as stream:
            yield from map(Line, stream)

    def all_lines(self) -> list[Line]:
        """A pipe keeps nothing."""
        return []

    def exit_code(self) -> int | None:
        """None while it runs; 128 + the signal where one ended it, as a shell and a container say it."""
        code = self.child.poll()
        return 128 - code if code is not None and code < 0 else code

    def post_mortem(self) -> str:
        """All there is to know."""
        return f"Process {self.child.pid}: exit code {self.exit_code()}."

    def given_up(self) -> bool:
        """A process ends with the task that started it."""
        return False

    def stop(self) -> None:
        """SIGTERM, then SIGKILL to everything that is left."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(GRACE)
            except subprocess.TimeoutExpired:
                self.child.kill()
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()


def environment() -> dict[str, str]:
    """Airflow's environment without what is Airflow's own (its database and keys), with the package to be found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    found = [str(Path(ml_pipeline.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(found)}
