"""Stages as services of a Docker swarm: as bounded as containers, on whichever node has room for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property

from airflow.providers.docker.operators.docker_swarm import DockerSwarmOperator

from ml_pipeline_airflow import mounts
from ml_pipeline_airflow.attach import attach
from ml_pipeline_airflow.docker_client import Limits, StageHook
from ml_pipeline_airflow.engine_task import EngineTask
from ml_pipeline_airflow.identity import TRY, identity
from ml_pipeline_airflow.service import StageService
from ml_pipeline_airflow.stage_task import Order
from ml_pipeline_airflow.swarm import Swarm


class SwarmStageOperator(EngineTask, DockerSwarmOperator):  # type: ignore[misc] # its `mode` is not ours, and unused
    """Runs steps of a use case in a service of one task, which its swarm never starts a second time."""

    @cached_property
    def hook(self) -> StageHook:
        """The hook to a manager of the swarm."""
        return StageHook(Limits(0, 0), base_url=self.docker_url, version=self.api_version, timeout=self.timeout)

    @contextmanager
    def start(self, order: Order) -> Iterator[StageService]:
        """The service of an order, perhaps one of an earlier try; afterwards it is gone, and so are its secrets."""
        with closing(self.cli):
            service = self._attached(order)
            try:
                yield service
            finally:
                service.stop()

    def _attached(self, order: Order) -> StageService:
        """Take over what does the same already, or start it."""
        spec = self.spec(order)
        network = self.network(spec.network)
        swarm = Swarm(
            self.cli, spec, mounts.credentials(), [network] if network else self.networks, placement=self.placement
        )
        wanted = identity(order, spec)
        try:
            found, adopted = attach(swarm, wanted)
            service = StageService(self.cli, found, adopted=adopted)
            whence = f"taken over from try {service.labels[TRY]}" if adopted else "started"
            self.log.info("service %s %s", service.name, whence)
        except BaseException:
            swarm.discard(wanted)
            raise
        return service
