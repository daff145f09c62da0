"""The life of one container, once it has started: followed, stopped, and then removed or kept to be looked at."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from ml_pipeline.errors import StageError
from ml_pipeline_airflow import mounts
from ml_pipeline_airflow.execution import GRACE, POLL, Line
from ml_pipeline_airflow.identity import ATTEMPT, SECRETS, TRY

PATIENCE = 60.0
"""Seconds that the engine may be away, such as for a restart, before the stage is given up."""

STOPPED = {137: "killed", 143: "told to stop"}
"""Exit codes of what did not end by itself."""

ENGINE_TROUBLE = (APIError, RequestException)
BROKEN_STREAM = (DockerException, RequestException, HTTPError, OSError, struct.error)


class StageContainer:
    """A container as an execution; stopping and removing it is no error if it is gone already.

    Args:
        client: of its engine.
        found: what the engine says of it.
        adopted: whether an earlier try has started it.
    """

    def __init__(self, client: Any, found: Mapping[str, Any], *, adopted: bool = False) -> None:
        self.client, self.adopted = client, adopted
        self.id, self.name = found["Id"], found["Name"].removeprefix("/")
        self.labels: Mapping[str, str] = found["Config"]["Labels"]
        self.memory: int = found["HostConfig"]["Memory"]
        self.attempt = self.labels[ATTEMPT]
        self.peak = 0
        self._code: int | None = None
        self._ends: list[str] = []
        self._read = 0
        self._away_since = self._longest_away = 0.0
        self._told_to_stop = self._out_of_memory = False

    def lines(self) -> Iterator[Line]:
        """Standard error as it comes, each line once, from the first on; also where the engine went and came back."""
        threading.Thread(target=self._measure, daemon=True).start()
        while True:
            with suppress(*BROKEN_STREAM):
                for at, line in enumerate(self._said(follow=True)):
                    if at >= self._read:
                        self._read = at + 1
                        yield line
                if not _runs(self.client, self.id):
                    return
            if self._code is not None or self._told_to_stop:
                return
            time.sleep(POLL)

    def all_lines(self) -> list[Line]:
        """Standard error once more, from the engine's own record; nothing where the container is gone."""
        with suppress(*BROKEN_STREAM):
            return list(self._said(follow=False))
        return []

    def exit_code(self) -> int | None:
        """None while it runs, and while the engine is away but not for long; 137 where somebody removed it.

        Raises:
            StageError: the engine answers no more.
        """
        if self._code is None:
            try:
                state = self.client.inspect_container(self.id)["State"]
            except NotFound:
                self._code = 137
                self._ends.append("Somebody removed the container while it ran.")
            except ENGINE_TROUBLE as error:
                self._wait_for_the_engine(error)
            else:
                self._away_since = 0.0
                self._look_at(state)
        return self._code

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after a grace that is shorter than Airflow's own."""
        self._told_to_stop = True
        with suppress(*ENGINE_TROUBLE):
            self.client.stop(self.id, timeout=GRACE)

    def remove(self) -> None:
        """Remove it, running or not, and its copy of the credentials."""
        remove(self.client, self.id, self.labels)

    def keep(self) -> str:
        """Leave it to be looked at, without its credentials; the name it has from now on, empty where it is gone."""
        return keep(self.client, self.id, self.name, self.labels)

    def given_up(self) -> bool:
        """Whether it was taken over from an earlier try, and whoever made that try has stopped it since."""
        return self.adopted and self._code in STOPPED and not (self._told_to_stop or self._out_of_memory)

    def post_mortem(self) -> str:
        """How it ended and what it took."""
        of = f" of {_size(self.memory)}" if self.memory else ""
        took = f", memory up to {_size(self.peak)}{of} (by samples, one a second)" if self.peak else ""
        return " ".join([*self._ends, f"Container {self.id[:12]}: exit code {self._code}{took}."])

    def _look_at(self, state: Mapping[str, Any]) -> None:
        if state["Status"] not in ("exited", "dead"):
            return
        self._code = state["ExitCode"]
        self._out_of_memory = bool(state.get("OOMKilled"))
        if self._out_of_memory:
            self.peak = max(self.peak, self.memory)
            self._ends.append(
                f"The container ran out of its memory of {_size(self.memory)}."
                " To do: raise resources.memory in pipeline.yaml, or give fewer processors."
            )
        elif self._code in STOPPED and not self._told_to_stop:
            away = f" The engine was away for {self._longest_away:.0f} s." if self._longest_away else ""
            self._ends.append(
                f"The container was {STOPPED[self._code]} from outside: by a person, or by an engine that restarts and"
                f" is not set to live-restore.{away}"
            )

    def _wait_for_the_engine(self, error: Exception) -> None:
        now = time.monotonic()
        self._away_since = self._away_since or now
        self._longest_away = max(self._longest_away, now - self._away_since, POLL)
        if self._told_to_stop or now - self._away_since > PATIENCE:
            raise StageError(
                "the container engine stopped answering while the stage ran",
                given=str(error)[:200],
                do="see that it runs (`make engine`); the next try takes the container over, or removes it",
            ) from error

    def _said(self, *, follow: bool) -> Iterator[Line]:
        """Each message of the engine is a line, or, of a long one, a part; all begin with a time."""
        rest, at = b"", ""
        options = {"stdout": False, "stderr": True, "stream": True, "timestamps": True}
        with closing(self.client.logs(self.id, follow=follow, **options)) as messages:
            for message in messages:
                stamp, _, said = message.partition(b" ")
                at = at or f"{stamp.decode()[:26]}Z"  # nanoseconds are too many for Airflow
                rest += said
                if rest.endswith(b"\n"):
                    yield Line(rest[:-1].decode(errors="replace"), at)
                    rest, at = b"", ""
        if rest:
            yield Line(rest.decode(errors="replace"), at)

    def _measure(self) -> None:
        """Memory as the engine counts it, every second, without what is only cached; an engine may refuse to say."""
        with suppress(*BROKEN_STREAM, ValueError):
            for sample in self.client.stats(self.id, stream=True, decode=True):
                memory = sample.get("memory_stats") or {}
                kinds = memory.get("stats") or {}
                cached = kinds.get("total_inactive_file", kinds.get("inactive_file", 0))
                self.peak = max(self.peak, memory.get("usage", 0) - cached)


def remove(client: Any, container: str, labels: Mapping[str, str]) -> None:
    """Whatever keeps it from being removed (it is gone, it is going, the engine is away), the next try removes it."""
    with suppress(*ENGINE_TROUBLE):
        client.remove_container(container, force=True, v=True)
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


def _runs(client: Any, container: str) -> bool:
    try:
        status = client.inspect_container(container)["State"]["Status"]
    except NotFound:
        return False
    return status not in ("exited", "dead", "removing")


def _size(size: int) -> str:
    """As pipeline.yaml writes it."""
    return f"{size >> 30}GB" if size and size % (1 << 30) == 0 else f"{size >> 20}MB"
