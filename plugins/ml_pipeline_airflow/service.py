"""The life of one service of a swarm, whose only task is a stage: followed, stopped and removed."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from docker.errors import NotFound

from ml_pipeline.errors import StageError
from ml_pipeline_airflow.container import BROKEN_STREAM, ENGINE_TROUBLE
from ml_pipeline_airflow.execution import GRACE, POLL, Line
from ml_pipeline_airflow.identity import ATTEMPT
from ml_pipeline_airflow.remote import Away, Gone, Remote, size, whole_lines

PENDING = 120.0
"""Seconds that a service may wait for a node that takes it."""

TOLD_TO_STOP = 143
"""Exit code of a stage that ends with SIGTERM."""

OVER = ("complete", "failed", "shutdown", "rejected", "orphaned", "remove")
"""States of a service's task in which it does not run, nor will."""


class StageService(Remote):
    """A service as an execution; it is stopped by being removed.

    Args:
        client: of a manager of its swarm.
        found: what the manager says of it.
        adopted: whether an earlier try has started it.
    """

    kind, host, mend = "service", "swarm", "see that its managers run (`docker node ls`)"
    pace = 0.5

    def __init__(self, client: Any, found: Mapping[str, Any], *, adopted: bool = False) -> None:
        spec = found["Spec"]
        self.labels: Mapping[str, str] = spec["Labels"]
        super().__init__(self.labels[ATTEMPT], adopted=adopted)
        self.client, self.found = client, found
        self.id, self.name = found["ID"], spec["Name"]
        self.memory: int = spec["TaskTemplate"]["Resources"]["Limits"]["MemoryBytes"]
        self._task = ""
        self._waits_since = 0.0

    def look(self) -> None:
        """Ask the manager for the task."""
        found = self._found_task()
        state = found["Status"]["State"] if found else "new"
        if found and state in OVER:
            self._end(found["Status"])
        elif found and state == "pending":
            self._be_patient(found["Status"])

    def lines(self) -> Iterator[Line]:
        """Standard error, asked for again and again from the second of the last line on: its stream would never end."""
        second, known = 0, 0
        while True:
            over = self.code is not None or self.told_to_stop
            with suppress(Away):
                for line in islice(self._said_since(second), known, None):
                    yield line
                    own = int(dt.datetime.fromisoformat(line.at).timestamp())
                    second, known = own, known + 1 if own == second else 1
            if over:
                return
            time.sleep(self.pace)

    def recorded(self) -> Iterator[Line]:
        """Standard error, from the node's own record."""
        return self._said_since(0)

    def stop(self) -> None:
        """Remove it with its secrets; a stage that runs gets SIGTERM, and soon SIGKILL."""
        if self.told_to_stop:
            return
        self.told_to_stop = True
        if self.code is None:
            self.all_lines()
        code = remove(self.client, self.found)
        if self.code is None:
            self.code = code

    def post_mortem(self) -> str:
        """How it ended."""
        return " ".join([*self.ends, f"Service {self.name}: exit code {self.code}, memory limit {size(self.memory)}."])

    def _found_task(self) -> Mapping[str, Any] | None:
        """None where there is none yet."""
        try:
            if not self._task:
                self.client.inspect_service(self.id)
                found = self.client.tasks(filters={"service": self.id})
                self._task = found[0]["ID"] if found else ""
            task: Mapping[str, Any] | None = self.client.inspect_task(self._task) if self._task else None
        except NotFound as error:
            raise Gone(self.name) from error
        except ENGINE_TROUBLE as error:
            raise Away(error) from error
        return task

    def _end(self, status: Mapping[str, Any]) -> None:
        """Take note of the exit code.

        Raises:
            StageError: it never ran, or nobody knows how it ended.
        """
        container = status.get("ContainerStatus") or {}
        code = container.get("ExitCode") or 0
        if status["State"] in ("rejected", "orphaned") or (status["State"] == "failed" and not code):
            raise StageError(
                "the swarm did not run the stage to its end",
                given=f"{status['State']}: {status.get('Err') or status.get('Message')}",
                do="see `docker node ls`; every node that may run it needs its image, and on disk what it reads there",
            )
        self.code = code or (0 if status["State"] == "complete" else TOLD_TO_STOP)
        if self._ran_out_of_memory(container.get("ContainerID", "")):
            self.ran_out_of(size(self.memory))
        else:
            self.was_stopped("by a person, or with its node")

    def _ran_out_of_memory(self, container: str) -> bool:
        """Swarm does not pass that on; the node knows, where it is the one that is asked."""
        if self.code == 137 and container:
            with suppress(*ENGINE_TROUBLE):
                return bool(self.client.inspect_container(container)["State"]["OOMKilled"])
        return False

    def _be_patient(self, status: Mapping[str, Any]) -> None:
        now = time.monotonic()
        self._waits_since = self._waits_since or now
        if now - self._waits_since > PENDING:
            raise StageError(
                "no node of the swarm takes the stage",
                given=status.get("Err") or status.get("Message"),
                expected="a node that has the memory, processors and GPUs of resources in pipeline.yaml to spare",
                do="wait until one has, add a node, or ask for less",
            )

    def _said_since(self, second: int) -> Iterator[Line]:
        options = {"stdout": False, "stderr": True, "timestamps": True, "is_tty": False}
        try:
            yield from whole_lines(self.client.service_logs(self.id, since=second, **options))
        except BROKEN_STREAM as error:
            raise Away(error) from error


def remove(client: Any, service: Mapping[str, Any], patience: float = GRACE + 1) -> int:
    """Remove a service and its secrets, and wait some seconds for its task to end; its exit code, as far as it is seen.

    A swarm takes two seconds more than a stage's grace to take it off its networks. Whatever keeps it from being
    removed, the next try removes it.
    """
    with suppress(*ENGINE_TROUBLE):
        tasks = client.tasks(filters={"service": service["ID"]})
        client.remove_service(service["ID"])
        forget(client, service["Spec"]["TaskTemplate"]["ContainerSpec"].get("Secrets") or [])
        end = time.monotonic() + patience
        while tasks and time.monotonic() < end:
            status = client.inspect_task(tasks[0]["ID"])["Status"]
            if status["State"] in OVER:
                return (status.get("ContainerStatus") or {}).get("ExitCode") or TOLD_TO_STOP
            time.sleep(POLL / 10)
    return TOLD_TO_STOP


def forget(client: Any, references: list[Mapping[str, Any]]) -> None:
    """Remove secrets that no service has any more."""
    for reference in references:
        with suppress(*ENGINE_TROUBLE):
            client.remove_secret(reference["SecretID"])
