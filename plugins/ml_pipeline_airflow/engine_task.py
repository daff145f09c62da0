"""What tasks have in common that a Docker engine is asked to run, in a container or as a service."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from airflow.providers.docker.operators.docker import DockerOperator

from ml_pipeline.discovery import find
from ml_pipeline_airflow import images
from ml_pipeline_airflow.docker_client import BoundedClient, once_back
from ml_pipeline_airflow.spec import Network, StageSpec, stage_spec
from ml_pipeline_airflow.stage_task import Order, StageTask

NETWORK = "ML_PIPELINE_NETWORK"
"""Variable that names the engine's network on which the store is reached; the default bridge without it."""

INGEST_NETWORK = "ML_PIPELINE_INGEST_NETWORK"
"""Variable that names the network of stages that fetch records; without it, the one on which the store is reached."""


class EngineTask(StageTask, DockerOperator):  # type: ignore[misc]
    """Runs steps of a use case in an image that the engine has.

    Args:
        image: kind of the image that they run in (`stages.IMAGES`).
        references: tags of all images of the use case by kind; what they hold counts for the system version.
    """

    template_fields = (*DockerOperator.template_fields, *StageTask.template_fields)

    def __init__(self, *, image: str, references: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(image=image, mount_tmp_dir=False, auto_remove="never", **kwargs)
        self.references = references

    @property
    def cli(self) -> BoundedClient:
        """Client of the engine.

        Raises:
            StageError: it does not answer, and is not about to restart.
        """
        client: BoundedClient = once_back(lambda: self.hook.api_client)
        return client

    def spec(self, order: Order) -> StageSpec:
        """What is to be run, with the images that are there now.

        Raises:
            UsageError: an image is missing, or what the stage is to see of the machine.
        """
        references = self.references or images.needed(find(self.use_case, order.request.parameters))
        found = images.resolve(self.cli, references)
        self.log.info("image %s is %s, contents %s", self.image, found[self.image].id, found[self.image].contents)
        return stage_spec(order, self.image, found, self.environment)

    @staticmethod
    def network(kind: Network) -> str:
        """The name of the network that is meant; empty where the environment names none."""
        own = os.environ.get(INGEST_NETWORK) if kind == "ingest" else ""
        return own or os.environ.get(NETWORK) or ""
