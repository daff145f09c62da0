"""What a stage needs of whatever runs it, said once; the operators of Docker, Swarm and Kubernetes translate it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from ml_pipeline.contract import StageRequest
from ml_pipeline.discovery import UseCase, find
from ml_pipeline.stages import Step, select
from ml_pipeline_airflow import mounts, request
from ml_pipeline_airflow.images import Image
from ml_pipeline_airflow.mounts import Bind
from ml_pipeline_airflow.stage_task import Order

PIDS = 512
"""Processes and threads that a stage may have at once."""

LOG = {"max-size": "20m", "max-file": "2"}
"""How much an engine keeps of what a stage says."""

Network = Literal["none", "store", "ingest"]
"""Ingest may reach out; all other stages reach the store alone, and none at all where it is a folder."""


class StageSpec(NamedTuple):
    """All that counts of a stage but its name, the try it is for and its credentials.

    Attributes:
        image: as the engine names it for good.
        request: what the stage is told, without the attempt.
        environment: variables, none of them secret.
        user: number of its user and group.
        memory_bytes: limit of its memory, without swap.
        cpus: limit of its processors.
        gpus: how many it gets.
        binds: what it sees of the machine.
        network: what it reaches.
    """

    image: str
    request: StageRequest
    environment: Mapping[str, str]
    user: int
    memory_bytes: int
    cpus: float
    gpus: int
    binds: tuple[Bind, ...]
    network: Network

    def command(self, attempt: str) -> list[str]:
        """What the image's entry point is given, in the name of an attempt."""
        return ["stage", msgspec.json.encode(msgspec.structs.replace(self.request, attempt=attempt)).decode()]


def stage_spec(order: Order, kind: str, images: Mapping[str, Image], environment: Mapping[str, str]) -> StageSpec:
    """The spec of an order.

    Args:
        order: of this very try.
        kind: which of the images runs it.
        images: all images of the use case, by kind: what they hold counts for the system version.
        environment: further variables.

    Raises:
        UsageError: the store's folder or a source is not there for the stage.
    """
    steps = select(order.config, order.request.mode, order.request.stages)
    ingested = [step.source for step in steps if not step.reads]
    folder = request.local_folder(order.request.store)
    places = _places(find(order.request.use_case, order.request.parameters), ingested, order.request.store)
    told = msgspec.structs.replace(
        order.request,
        attempt="",
        images={name: image.contents for name, image in images.items()},
        parameters=order.request.parameters | _addresses(places),
    )
    return StageSpec(
        image=images[kind].id,
        request=told,
        environment={**request.settings(), **environment, "HOME": "/tmp"},  # noqa: S108 - in the container
        user=mounts.user(),
        memory_bytes=order.config.resources.memory_bytes,
        cpus=order.config.resources.cpus,
        gpus=order.config.resources.gpus if _computes(steps) else 0,
        binds=(*_store(folder), *(mounts.source_bind(place.path) for place in places.values())),
        network="ingest" if ingested else "none" if folder else "store",
    )


def _computes(steps: tuple[Step, ...]) -> bool:
    """Whether a model is at work, which may make use of a GPU."""
    return any(step.stage.gpu for step in steps)


def _store(folder: Path | None) -> tuple[Bind, ...]:
    return (mounts.store_bind(folder),) if folder else ()


def _places(use_case: UseCase, ingested: list[str], store: str) -> dict[str, mounts.Place]:
    """Source -> where on this machine its records are, save in the use case's own folder, which the image holds."""
    folder = Path(os.path.normpath(use_case.folder))
    found = {name: mounts.place(use_case.address(name, store)) for name in ingested}
    return {name: place for name, place in found.items() if place and not place.path.is_relative_to(folder)}


def _addresses(places: Mapping[str, mounts.Place]) -> dict[str, str]:
    """Parameters that say it in full: pipeline.yaml may say it from the use case's folder or the user's home on."""
    return {f"sources.{name}.address": place.address for name, place in places.items()}
