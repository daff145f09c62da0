"""Stages as containers on a Docker engine: bounded, without privileges, without secrets in sight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from ml_pipeline.discovery import find
from ml_pipeline_airflow import mounts
from ml_pipeline_airflow.attach import attach, keeping
from ml_pipeline_airflow.container import StageContainer
from ml_pipeline_airflow.containers import Containers, discard
from ml_pipeline_airflow.docker_client import Limits, StageHook
from ml_pipeline_airflow.engine_task import EngineTask
from ml_pipeline_airflow.identity import TRY, identity, name
from ml_pipeline_airflow.spec import Network
from ml_pipeline_airflow.stage_task import Order


class StageOperator(EngineTask):
    """Runs steps of a use case in one container."""

    _limits: Limits | None = None

    @cached_property
    def hook(self) -> StageHook:
        """The hook to the engine, whose client puts this use case's limits on every container."""
        resources = find(self.use_case).config.resources
        limits = self._limits or Limits(resources.memory_bytes, resources.cpus)
        return StageHook(limits, base_url=self.docker_url, version=self.api_version, timeout=self.timeout)

    @contextmanager
    def start(self, order: Order) -> Iterator[StageContainer]:
        """The container of an order, perhaps one of an earlier try; afterwards it is gone, or kept if it failed."""
        self._limits = Limits(order.config.resources.memory_bytes, order.config.resources.cpus)
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
            spec = self.spec(order)
            wanted = identity(order, spec, secrets=secrets.folder)
            found, adopted = attach(Containers(self.cli, spec, secrets, self._more(spec.network)), wanted)
            container = StageContainer(self.cli, found, adopted=adopted)
            whence = f"taken over from try {container.labels[TRY]}" if adopted else "started"
            self.log.info("container %s (%s) %s", container.name, container.id[:12], whence)
        except BaseException:
            discard(self.cli, name(order), order.request.attempt)
            mounts.forget(secrets.folder)
            raise
        if adopted:
            mounts.forget(secrets.folder)
        return container

    def _more(self, network: Network) -> dict[str, Any]:
        """Settings that are this engine's own."""
        name = "none" if network == "none" else self.network(network) or self.network_mode or "bridge"
        return {"network_mode": name, "extra_hosts": self.extra_hosts, "shm_size": self.shm_size}

    def _leave(self, container: StageContainer) -> None:
        """Keep what failed by itself; what a person stopped is no failure."""
        length = keeping()
        if self.killed or not length:
            container.remove()
        elif kept := container.keep():
            self.log.warning("container %s is kept for %s: `docker logs %s`", kept, length, container.id[:12])
