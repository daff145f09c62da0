"""Stages as containers on a Docker engine: bounded, without privileges, without secrets in sight."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk.exceptions import AirflowSkipException
from docker.errors import APIError
from docker.types import DeviceRequest, LogConfig, Mount

from ml_pipeline.discovery import UseCase, find
from ml_pipeline.errors import PipelineError, StageError, UsageError
from ml_pipeline.stages import select
from ml_pipeline_airflow import images, mounts, request
from ml_pipeline_airflow.attach import attach, discard, keeping
from ml_pipeline_airflow.container import StageContainer
from ml_pipeline_airflow.docker_client import Limits, StageHook
from ml_pipeline_airflow.identity import TRY, Identity, identity, name
from ml_pipeline_airflow.stage_task import Order, StageTask

NETWORK = "ML_PIPELINE_NETWORK"
"""Variable that names the engine's network on which the store is reached; the default bridge without it."""

INGEST_NETWORK = "ML_PIPELINE_INGEST_NETWORK"
"""Variable that names the network of stages that fetch records; without it, the one on which the store is reached."""

TAKEN = 409
"""The engine's answer where the name of a container is taken."""

LOG = LogConfig(type="json-file", config={"max-size": "20m", "max-file": "2"})


class StageOperator(StageTask, DockerOperator):  # type: ignore[misc]
    """Runs steps of a use case in one container.

    Args:
        image: kind of the image that they run in (`stages.IMAGES`).
        references: tags of all images of the use case by kind; what they hold counts for the system version.
    """

    template_fields: Sequence[str] = (*DockerOperator.template_fields, *StageTask.template_fields)
    ui_color = "#e8f1f8"

    def __init__(self, *, image: str, references: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(image=image, mount_tmp_dir=False, auto_remove="never", **kwargs)
        self.references = references
        self._limits: Limits | None = None

    @cached_property
    def hook(self) -> StageHook:
        """The hook to the engine, whose client puts this use case's limits on every container."""
        limits = self._limits or _limits(find(self.use_case).config)
        return StageHook(limits, base_url=self.docker_url, version=self.api_version, timeout=self.timeout)

    @contextmanager
    def start(self, order: Order) -> Iterator[StageContainer]:
        """The container of an order, perhaps one of an earlier try; afterwards it is gone, or kept if it failed."""
        self._limits = _limits(order.config)
        with closing(self.cli):
            container = self._attached(order)
            try:
                yield container
            except AirflowSkipException:
                container.remove()
                raise
            except BaseException:
                container.stop()
                self._leave(container)
                raise
            container.remove()

    def _attached(self, order: Order) -> StageContainer:
        """Take over what does the same already, or start it."""
        keeping()
        secrets = mounts.secrets()
        try:
            does = self._told(order, secrets)
            wanted = identity(order, does=does, secrets=secrets.folder)
            container = attach(self.cli, wanted, lambda: self._make(wanted, does, secrets, order))
            whence = f"taken over from try {container.labels[TRY]}" if container.adopted else "started"
            self.log.info("container %s (%s) %s", container.name, container.id[:12], whence)
        except BaseException:
            discard(self.cli, name(order), order.request.attempt)
            mounts.forget(secrets.folder)
            raise
        if container.adopted:
            mounts.forget(secrets.folder)
        return container

    def _told(self, order: Order, secrets: mounts.Secrets) -> dict[str, Any]:
        """What a container does, as the engine is told it, but for its name, its labels and its secrets.

        It runs the image that is there now, told what all images of the use case hold and where its records are.
        """
        use_case = find(self.use_case, order.request.parameters)
        found = images.resolve(self.cli, self.references or images.needed(use_case))
        own = found[self.image]
        self.log.info("image %s is %s, contents %s", self.image, own.id, own.contents)
        places = _places(use_case, order)
        sources = [mounts.source_mount(place.path) for place in places.values()]
        ordered = msgspec.structs.replace(
            order.request,
            attempt="",
            images={kind: image.contents for kind, image in found.items()},
            parameters=order.request.parameters | _addresses(places),
        )
        return {
            "image": own.id,
            "request": ordered,
            "host": self._host([*_store(order), *sources], order),
            "environment": {**request.settings(), **self.environment, **secrets.variables, "HOME": "/tmp"},  # noqa: S108
            "user": f"{mounts.user()}:{mounts.user()}",
        }

    def _make(self, wanted: Identity, does: Mapping[str, Any], secrets: mounts.Secrets, order: Order) -> None:
        """Create and start a container.

        Raises:
            APIError: the name is taken.
            StageError: the engine refuses.
        """
        command = msgspec.structs.replace(does["request"], attempt=order.request.attempt)
        try:
            self.cli.create_container(
                image=does["image"],
                name=wanted.name,
                labels=dict(wanted.labels),
                host_config={**does["host"], "Mounts": [*does["host"]["Mounts"], *secrets.mounts]},
                command=["stage", msgspec.json.encode(command).decode()],
                environment=does["environment"],
                user=does["user"],
                detach=True,
            )
            self.cli.start(wanted.name)
        except APIError as error:
            if error.status_code == TAKEN:
                raise
            raise _refused(error, order) from error

    def _leave(self, container: StageContainer) -> None:
        """Keep what failed by itself; what a person stopped is no failure."""
        length = keeping()
        if self.killed or not length:
            container.remove()
        elif kept := container.keep():
            self.log.warning("container %s is kept for %s: `docker logs %s`", kept, length, container.id[:12])

    def _host(self, wanted: list[Mount], order: Order) -> Any:
        """The client adds the limits."""
        gpus = order.config.resources.gpus if _computes(order) else 0
        return self.cli.create_host_config(
            mounts=wanted,
            network_mode=self._network(order),
            log_config=LOG,
            extra_hosts=self.extra_hosts,
            device_requests=[DeviceRequest(count=gpus, capabilities=[["gpu"]])] if gpus else None,
            shm_size=self.shm_size,
        )

    def _network(self, order: Order) -> str:
        """Ingest may reach out; all other stages reach the store alone, and none at all where it is a folder."""
        if _ingested(order):
            return os.environ.get(INGEST_NETWORK) or self._of_store()
        return "none" if request.local_folder(order.request.store) else self._of_store()

    def _of_store(self) -> str:
        return os.environ.get(NETWORK) or self.network_mode or "bridge"


def _refused(error: APIError, order: Order) -> PipelineError:
    given = error.explanation or str(error)
    if "device driver" in given:
        return UsageError(
            "the container engine has no GPU to give",
            given=given,
            expected=f"{order.config.resources.gpus} of them, as resources.gpus in pipeline.yaml says",
            do="install the NVIDIA Container Toolkit on the engine's machine, or set resources.gpus to 0",
        )
    return StageError(
        "the container engine refuses to start the stage",
        given=given,
        do="see the engine's log, and resources in pipeline.yaml",
    )


def _limits(config: Any) -> Limits:
    return Limits(config.resources.memory_bytes, config.resources.cpus)


def _ingested(order: Order) -> list[str]:
    """Sources whose records are fetched: by the steps that read nothing stored."""
    chosen = select(order.config, order.request.mode, order.request.stages)
    return [step.source for step in chosen if not step.reads]


def _computes(order: Order) -> bool:
    """Whether a model is at work, which may make use of a GPU."""
    return any(step.stage.gpu for step in select(order.config, order.request.mode, order.request.stages))


def _places(use_case: UseCase, order: Order) -> dict[str, mounts.Place]:
    """Source -> where on this machine its records are, save in the use case's own folder, which the image holds."""
    folder = Path(os.path.normpath(use_case.folder))
    found = {name: mounts.place(use_case.address(name, order.request.store)) for name in _ingested(order)}
    return {name: place for name, place in found.items() if place and not place.path.is_relative_to(folder)}


def _addresses(places: Mapping[str, mounts.Place]) -> dict[str, str]:
    """Parameters that say it in full: pipeline.yaml may say it from the use case's folder or the user's home on."""
    return {f"sources.{name}.address": place.address for name, place in places.items()}


def _store(order: Order) -> list[Mount]:
    folder = request.local_folder(order.request.store)
    return [mounts.store_mount(folder)] if folder else []
