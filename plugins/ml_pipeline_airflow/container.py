"""The life of one container, once it has started: followed, stopped, and then removed or kept to be looked at."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from ml_pipeline_airflow import mounts
from ml_pipeline_airflow.docker_client import once_back
from ml_pipeline_airflow.execution import GRACE, Line
from ml_pipeline_airflow.identity import ATTEMPT, SECRETS, TRY
from ml_pipeline_airflow.remote import Away, Followed, Gone, size, whole_lines

ENGINE_TROUBLE = (APIError, RequestException)
BROKEN_STREAM = (DockerException, RequestException, HTTPError, OSError, struct.error)

ENDED = ("exited", "dead")


class StageContainer(Followed):
    """A container as an execution.

    Args:
        client: of its engine.
        found: what the engine says of it.
        adopted: whether an earlier try has started it.
    """

    kind, host, mend = "container", "container engine", "see that it runs (`make engine`)"

    def __init__(self, client: Any, found: Mapping[str, Any], *, adopted: bool = False) -> None:
        self.labels: Mapping[str, str] = found["Config"]["Labels"]
        super().__init__(self.labels[ATTEMPT], adopted=adopted)
        self.client = client
        self.id, self.name = found["Id"], found["Name"].removeprefix("/")
        self.memory: int = found["HostConfig"]["Memory"]
        self.peak = 0

    def look(self) -> None:
        """Ask the engine."""
        state = inspected(self.client, self.id)["State"]
        if state["Status"] not in ENDED:
            return
        self.code = state["ExitCode"]
        if state.get("OOMKilled"):
            self.peak = max(self.peak, self.memory)
            self.ran_out_of(size(self.memory))
        else:
            self.was_stopped("by a person, or by an engine that restarts and is not set to live-restore")

    def runs(self) -> bool:
        """Whether it is at work at this moment."""
        try:
            return inspected(self.client, self.id)["State"]["Status"] not in (*ENDED, "removing")
        except Gone:
            return False

    def lines(self) -> Iterator[Line]:
        """Standard error as it comes; what the stage takes of memory is measured meanwhile."""
        threading.Thread(target=self._measure, daemon=True).start()
        yield from super().lines()

    def followed(self) -> Iterator[Line]:
        """Standard error, from the engine's own record."""
        return self._said(follow=True)

    def recorded(self) -> Iterator[Line]:
        """The same, as far as it has come."""
        return self._said(follow=False)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after a grace that is shorter than Airflow's own."""
        self.told_to_stop = True
        with suppress(*ENGINE_TROUBLE):
            self.client.stop(self.id, timeout=GRACE)

    def remove(self) -> None:
        """Remove it, running or not, and its copy of the credentials."""
        remove(self.client, self.id, self.labels)

    def keep(self) -> str:
        """Leave it to be looked at, without its credentials; the name it has from now on, empty where it is gone."""
        return keep(self.client, self.id, self.name, self.labels)

    def post_mortem(self) -> str:
        """How it ended and what it took."""
        of = f" of {size(self.memory)}" if self.memory else ""
        took = f", memory up to {size(self.peak)}{of} (by samples, one a second)" if self.peak else ""
        return " ".join([*self.ends, f"Container {self.id[:12]}: exit code {self.code}{took}."])

    def _said(self, *, follow: bool) -> Iterator[Line]:
        options = {"stdout": False, "stderr": True, "stream": True, "timestamps": True}
        try:
            with closing(self.client.logs(self.id, follow=follow, **options)) as messages:
                yield from whole_lines(messages)
        except BROKEN_STREAM as error:
            raise Away(error) from error

    def _measure(self) -> None:
        """Memory as the engine counts it, every second, without what is only cached; an engine may refuse to say."""
        with suppress(*BROKEN_STREAM, ValueError):
            for sample in self.client.stats(self.id, stream=True, decode=True):
                memory = sample.get("memory_stats") or {}
                kinds = memory.get("stats") or {}
                cached = kinds.get("total_inactive_file", kinds.get("inactive_file", 0))
                self.peak = max(self.peak, memory.get("usage", 0) - cached)


def inspected(client: Any, container: str) -> Mapping[str, Any]:
    """What the engine says of a container.

    Raises:
        Gone: it has no such container.
        Away: it says nothing.
    """
    try:
        found: Mapping[str, Any] = client.inspect_container(container)
    except NotFound as error:
        raise Gone(container) from error
    except ENGINE_TROUBLE as error:
        raise Away(error) from error
    return found


def remove(client: Any, container: str, labels: Mapping[str, str]) -> None:
    """Whatever keeps it from being removed (it is going, the engine stays away), the next try removes it."""
    with suppress(*ENGINE_TROUBLE):
        once_back(lambda: client.remove_container(container, force=True, v=True))
    mounts.forget(labels.get(SECRETS, ""))


def keep(client: Any, container: str, name: str, labels: Mapping[str, str]) -> str:
    """Free the name of a container that has ended, and leave it under the name that this returns.

    One that was kept under that name before goes. It keeps the name it has where the engine does not let it be renamed;
    the name is empty where it is gone.
    """
    mounts.forget(labels.get(SECRETS, ""))
    kept = f"{name}-try-{labels[TRY]}"
    try:
        with suppress(NotFound):
            client.remove_container(kept, v=True)
        client.rename(container, kept)
    except NotFound:
        return ""
    except ENGINE_TROUBLE:
        return name
    return kept
