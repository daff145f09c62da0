"""Stages on a Docker engine: containers under names."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from docker.errors import APIError, NotFound
from docker.types import DeviceRequest, LogConfig, Mount

from ml_pipeline.errors import PipelineError, StageError, UsageError
from ml_pipeline_airflow.attach import Found, keeping
from ml_pipeline_airflow.container import ENGINE_TROUBLE, keep, remove
from ml_pipeline_airflow.docker_client import once_back
from ml_pipeline_airflow.execution import GRACE
from ml_pipeline_airflow.identity import ATTEMPT, Identity
from ml_pipeline_airflow.mounts import Bind, Secrets
from ml_pipeline_airflow.spec import LOG, StageSpec

TAKEN = 409
"""The engine's answer where the name of a container is taken."""


class Containers:
    """The containers of an engine, of which one is made as a spec says.

    Args:
        client: of the engine; it adds the limits.
        spec: what is made.
        secrets: credentials that it finds as files.
        more: further settings of its host configuration, such as the network it is on.
    """

    kind, look = "container", "docker inspect"

    def __init__(self, client: Any, spec: StageSpec, secrets: Secrets, more: Mapping[str, Any]) -> None:
        self.client, self.spec, self.secrets, self.more = client, spec, secrets, more

    def find(self, name: str) -> Found | None:
        """As the engine knows it."""
        try:
            told = self.client.inspect_container(name)
        except NotFound:
            return None
        state = told["State"]
        ended_well = state["Status"] == "exited" and state["ExitCode"] == 0
        return Found(told["Config"].get("Labels") or {}, bool(state["Running"]), ended_well, told)

    def make(self, wanted: Identity) -> bool:
        """Create and start it.

        Raises:
            StageError: the engine refuses.
            UsageError: it has no GPU.
        """
        try:
            self.client.create_container(
                image=self.spec.image,
                name=wanted.name,
                labels=dict(wanted.labels),
                host_config=self._host_config(),
                command=self.spec.command(wanted.labels[ATTEMPT]),
                environment={**self.spec.environment, **self.secrets.variables},
                user=f"{self.spec.user}:{self.spec.user}",
                detach=True,
            )
            self.client.start(wanted.name)
        except APIError as error:
            if error.status_code == TAKEN:
                return False
            raise refused(error, self.spec) from error
        return True

    def clear_away(self, found: Found) -> None:
        """Stop and remove it; what has failed by itself is kept."""
        container, name = found.told["Id"], found.told["Name"].removeprefix("/")
        if found.runs:
            with suppress(*ENGINE_TROUBLE):
                self.client.stop(container, timeout=GRACE)
        elif found.told["State"]["ExitCode"] and keeping() and keep(self.client, container, name, found.labels) != name:
            return
        remove(self.client, container, found.labels)

    def _host_config(self) -> Any:
        gpus = self.spec.gpus
        return self.client.create_host_config(
            mounts=[mount(bind) for bind in (*self.spec.binds, *self.secrets.binds)],
            log_config=LogConfig(type="json-file", config=LOG),
            device_requests=[DeviceRequest(count=gpus, capabilities=[["gpu"]])] if gpus else None,
            **self.more,
        )


def mount(bind: Bind) -> Mount:
    """As the engine is told it."""
    return Mount(bind.target, str(bind.path), type="bind", read_only=bind.read_only)


def discard(client: Any, name: str, attempt: str) -> None:
    """Remove the container that an attempt may have made, where making it was broken off."""
    with suppress(*ENGINE_TROUBLE):
        found = once_back(lambda: client.inspect_container(name))
        labels = found["Config"].get("Labels") or {}
        if labels.get(ATTEMPT) == attempt:
            remove(client, found["Id"], labels)


def refused(error: APIError, spec: StageSpec) -> PipelineError:
    """What the engine says when it does not start a stage."""
    given = error.explanation or str(error)
    if "device driver" in given:
        return UsageError(
            "the container engine has no GPU to give",
            given=given,
            expected=f"{spec.gpus} of them, as resources.gpus in pipeline.yaml says",
            do="install the NVIDIA Container Toolkit on the engine's machine, or set resources.gpus to 0",
        )
    return StageError(
        "the container engine refuses to start the stage",
        given=given,
        do="see the engine's log, and resources in pipeline.yaml",
    )
