"""The life of one container: made under a name of its own, started, followed, stopped, removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from docker.errors import APIError, NotFound
from requests.exceptions import RequestException

from ml_pipeline.errors import StageError
from ml_pipeline_airflow.execution import GRACE

LABEL = "ml-pipeline."


class StageContainer:
    """A container as an execution; stopping and removing it is no error if it is gone already."""

    def __init__(self, client: Any, name: str) -> None:
        self.client, self.name, self.id = client, name, ""
        self._code: int | None = None
        self.out_of_memory = False

    def run(self, image: str, labels: Mapping[str, str], host: Mapping[str, Any], **settings: Any) -> None:
        """Remove what an earlier try may have left under the name, then create and start the container.

        Raises:
            StageError: another program uses the name, or the engine refuses.
        """
        self._remove_old(labels)
        try:
            made = self.client.create_container(
                image=image, name=self.name, labels=dict(labels), host_config=host, detach=True, **settings
            )
            self.id = made["Id"]
            self.client.start(self.id)
        except APIError as error:
            raise StageError(
                "the container engine refuses to start the stage",
                given=error.explanation or str(error),
                do="see the engine's log, and resources in pipeline.yaml",
            ) from error

    def lines(self) -> Iterator[str]:
        """Standard error as it comes, from its first line."""
        rest = b""
        with closing(self.client.logs(self.id, stdout=False, stderr=True, stream=True, follow=True)) as stream:
            for chunk in stream:
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in whole)
        if rest:
            yield rest.decode(errors="replace")

    def all_lines(self) -> list[str]:
        """Standard error once more, from the engine's own record; nothing where the container is gone."""
        try:
            kept: bytes = self.client.logs(self.id, stdout=False, stderr=True)
        except APIError:
            return []
        return kept.decode(errors="replace").removesuffix("\n").split("\n") if kept else []

    def exit_code(self) -> int | None:
        """None while it runs; 137 where somebody removed it.

        Raises:
            StageError: the engine answers no more.
        """
        if self._code is None:
            try:
                state = self.client.inspect_container(self.id)["State"]
            except NotFound:
                self._code = 137
            except (APIError, RequestException) as error:
                raise StageError(
                    "the container engine stopped answering while the stage ran",
                    given=str(error)[:200],
                    do="see that it runs (`make engine`); the next try removes the old container",
                ) from error
            else:
                self.out_of_memory = bool(state.get("OOMKilled"))
                self._code = state["ExitCode"] if state["Status"] in ("exited", "dead") else None
        return self._code

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after a grace that is shorter than Airflow's own."""
        with suppress(APIError, RequestException):
            self.client.stop(self.id, timeout=GRACE)

    def remove(self) -> None:
        """Remove it, running or not."""
        if self.id:
            _remove(self.client, self.id)

    def _remove_old(self, labels: Mapping[str, str]) -> None:
        """A worker that died leaves its container running; two of a task must not run at once."""
        try:
            old = self.client.inspect_container(self.name)
        except NotFound:
            return
        theirs = old["Config"].get("Labels") or {}
        ours = ("dag", "run", "task", "map-index")
        if any(theirs.get(LABEL + key) != labels[LABEL + key] for key in ours):
            raise StageError(
                "a container of another program has the name of this task's container",
                given=self.name,
                do="remove it with `docker rm`, then clear the task",
            )
        with suppress(APIError):
            self.client.stop(old["Id"], timeout=GRACE)
        _remove(self.client, old["Id"])


def _remove(client: Any, container: str) -> None:
    """Whatever keeps it from being removed (it is gone, it is going, the engine is away), the next try removes it."""
    with suppress(APIError, RequestException):
        client.remove_container(container, force=True, v=True)
