"""Stages as containers on a Docker engine: bounded, without privileges, without secrets in sight."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from airflow.providers.docker.operators.docker import DockerOperator
from docker.types import LogConfig, Mount

from ml_pipeline.discovery import UseCase, find
from ml_pipeline.stages import select
from ml_pipeline_airflow import images, mounts, request
from ml_pipeline_airflow.container import LABEL, StageContainer
from ml_pipeline_airflow.docker_client import Limits, StageHook
from ml_pipeline_airflow.execution import Execution
from ml_pipeline_airflow.stage_task import Order, StageTask

NETWORK = "ML_PIPELINE_NETWORK"
"""Variable that names the engine's network on which the store is reached; the default bridge without it."""

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
        """Start the container; it and its copy of the credentials are gone afterwards."""
        self._limits = _limits(order.config)
        with closing(self.cli), mounts.secrets() as secrets:
            container = StageContainer(self.cli, _name(order))
            try:
                self._run(container, secrets, order)
                yield container
            finally:
                container.remove()

    def _run(self, container: StageContainer, secrets: mounts.Secrets, order: Order) -> None:
        """Start the image that is there now, told what all images of the use case hold and where its records are."""
        use_case = find(self.use_case, order.request.parameters)
        found = images.resolve(self.cli, self.references or images.needed(use_case))
        own = found[self.image]
        self.log.info("image %s is %s, contents %s", self.image, own.id, own.contents)
        places = _places(use_case, order)
        ordered = msgspec.structs.replace(
            order.request,
            images={kind: image.contents for kind, image in found.items()},
            parameters=order.request.parameters | _addresses(places),
        )
        sources = [mounts.source_mount(place.path) for place in places.values()]
        container.run(
            own.id,
            _labels(order),
            self._host([*secrets.mounts, *_store(order), *sources], order),
            command=["stage", msgspec.json.encode(ordered).decode()],
            environment={**request.settings(), **self.environment, **secrets.variables, "HOME": "/tmp"},  # noqa: S108
            user=f"{mounts.user()}:{mounts.user()}",
        )
        self.log.info("container %s (%s)", container.name, container.id[:12])

    def because(self, execution: Execution, order: Order) -> str:
        """Memory ran out: the one end that a stage cannot report itself."""
        if not getattr(execution, "out_of_memory", False):
            return ""
        return (
            f"The container ran out of its memory of {order.config.resources.memory}."
            " To do: raise resources.memory in pipeline.yaml, or give fewer processors."
        )

    def _host(self, wanted: list[Mount], order: Order) -> Any:
        """The client adds the limits."""
        network = os.environ.get(NETWORK) or self.network_mode or "bridge"
        return self.cli.create_host_config(
            mounts=wanted,
            network_mode=network if _reaches_out(order) else "none",
            log_config=LOG,
            extra_hosts=self.extra_hosts,
            device_requests=self.device_requests,
            shm_size=self.shm_size,
        )


def _limits(config: Any) -> Limits:
    return Limits(config.resources.memory_bytes, config.resources.cpus)


def _ingested(order: Order) -> list[str]:
    """Sources whose records are fetched: by the steps that read nothing stored."""
    chosen = select(order.config, order.request.mode, order.request.stages)
    return [step.source for step in chosen if not step.reads]


def _reaches_out(order: Order) -> bool:
    """Whether anything is to be had over the network: the store, or records."""
    return request.local_folder(order.request.store) is None or bool(_ingested(order))


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


def _labels(order: Order) -> dict[str, str]:
    ti = order.context["ti"]
    index = -1 if ti.map_index is None else ti.map_index
    values = {
        "dag": ti.dag_id,
        "run": ti.run_id,
        "task": ti.task_id,
        "map-index": index,
        "try": ti.try_number,
        "use-case": order.request.use_case,
    }
    return {LABEL + name: str(value) for name, value in values.items()}


def _name(order: Order) -> str:
    """The same for every try of a task instance, another for any other: also where two Airflows share an engine."""
    labels = _labels(order)
    whole = "\0".join([order.request.store, *(labels[LABEL + key] for key in ("dag", "run", "task", "map-index"))])
    readable = f"{order.request.use_case}-{order.context['ti'].task_id}"[:40]
    return f"ml-pipeline-{readable}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}"
