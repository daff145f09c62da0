"""Stages on a Docker swarm: services under names, each of one task that is never started again."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import uuid4

from docker import types
from docker.errors import APIError, NotFound

from ml_pipeline.errors import StageError
from ml_pipeline_airflow import service
from ml_pipeline_airflow.attach import PATIENCE, Found
from ml_pipeline_airflow.container import ENGINE_TROUBLE
from ml_pipeline_airflow.containers import TAKEN, mount
from ml_pipeline_airflow.docker_client import BILLION
from ml_pipeline_airflow.execution import GRACE
from ml_pipeline_airflow.identity import ATTEMPT, STORE, Identity
from ml_pipeline_airflow.mounts import FILES, variables
from ml_pipeline_airflow.spec import LOG, PIDS, StageSpec

GPU = "NVIDIA-GPU"
"""What the nodes of a swarm call a GPU, in `node-generic-resources` of their engines."""

ISOLATED = "ml-pipeline-isolated"
"""A network of the swarm from which nothing else is reached: a service cannot be without any."""


class Swarm:
    """The services of a swarm, of which one is made as a spec says.

    Args:
        client: of one of its managers.
        spec: what is made.
        credentials: content of files, by variable (`mounts.credentials`).
        networks: names of those it is on, if it needs one; none: the default bridge of its node.
        placement: which nodes may run it.
    """

    kind, look = "service", "docker service ps"

    def __init__(
        self, client: Any, spec: StageSpec, credentials: dict[str, str], networks: list[Any] | None, placement: Any
    ) -> None:
        self.client, self.spec, self.credentials = client, spec, credentials
        self.networks, self.placement = networks, placement

    def find(self, name: str) -> Found | None:
        """As the manager knows it.

        Raises:
            StageError: the engine is no manager.
        """
        try:
            told = self.client.inspect_service(name)
            tasks = self.client.tasks(filters={"service": told["ID"]})
        except NotFound:
            return None
        except APIError as error:
            raise _refused(error) from error
        state = tasks[0]["Status"]["State"] if tasks else "new"
        return Found(told["Spec"].get("Labels") or {}, state not in service.OVER, state == "complete", told)

    def make(self, wanted: Identity) -> bool:
        """Create it with its secrets.

        Raises:
            StageError: the manager refuses.
        """
        secrets: list[types.SecretReference] = []
        try:
            secrets.extend(self._secret(wanted, variable) for variable in self.credentials)
            mode = types.ServiceMode("replicated", replicas=1)
            task = self._task(wanted, secrets)
            self.client.create_service(task, name=wanted.name, labels=dict(wanted.labels), mode=mode)
        except BaseException as error:
            service.forget(self.client, secrets)
            if not isinstance(error, APIError):
                raise
            if error.status_code != TAKEN:
                raise _refused(error) from error
            return False
        return True

    def clear_away(self, found: Found) -> None:
        """Remove it, and let it end before another one begins; what it said is in the log of its own try."""
        service.remove(self.client, found.told, patience=PATIENCE)

    def discard(self, wanted: Identity) -> None:
        """Remove what this attempt may have made, where making it was broken off."""
        with suppress(StageError, *ENGINE_TROUBLE):
            found = self.find(wanted.name)
            if found and found.labels.get(ATTEMPT) == wanted.labels[ATTEMPT]:
                self.clear_away(found)

    def _secret(self, wanted: Identity, variable: str) -> types.SecretReference:
        """Held by the swarm, in memory of the node that runs the stage; its name tells nothing."""
        labels = {key: wanted.labels[key] for key in (STORE, ATTEMPT)}
        name = f"ml-pipeline-{uuid4().hex}"
        made = self.client.create_secret(name, self.credentials[variable].encode(), labels=labels)
        user = str(self.spec.user)
        return types.SecretReference(made["ID"], name, FILES[variable], uid=user, gid=user, mode=0o400)

    def _task(self, wanted: Identity, secrets: list[types.SecretReference]) -> types.TaskTemplate:
        return types.TaskTemplate(
            self._container(wanted, secrets),
            resources=self._resources(),
            restart_policy=types.RestartPolicy("none"),
            networks=self._networks(),
            placement=self.placement,
            log_driver=types.DriverConfig("json-file", LOG),
        )

    def _networks(self) -> list[Any] | None:
        """A stage that needs no network is on one from which nothing is reached, made when there is none yet."""
        if self.spec.network != "none":
            return self.networks
        with suppress(APIError):
            self.client.create_network(ISOLATED, driver="overlay", internal=True, check_duplicate=True)
        return [ISOLATED]

    def _container(self, wanted: Identity, secrets: list[types.SecretReference]) -> types.ContainerSpec:
        """Engines such as 20.10 pass over `NoNewPrivileges`; without capabilities little is left to be gained."""
        spec = self.spec
        tmp = types.Mount("/tmp", None, type="tmpfs", tmpfs_size=spec.memory_bytes, tmpfs_mode=0o1777)  # noqa: S108
        return types.ContainerSpec(
            image=spec.image,
            args=spec.command(wanted.labels[ATTEMPT]),
            env={**spec.environment, **variables(self.credentials)},
            user=f"{spec.user}:{spec.user}",
            mounts=[tmp, *map(mount, spec.binds)],
            secrets=secrets,
            read_only=True,
            cap_drop=["ALL"],
            privileges={"NoNewPrivileges": True},
            stop_grace_period=GRACE * BILLION,
        )

    def _resources(self) -> types.Resources:
        """What it may use is also what its node must have to spare."""
        cpus, memory = int(self.spec.cpus * BILLION), self.spec.memory_bytes
        gpus = {GPU: self.spec.gpus} if self.spec.gpus else None
        made = types.Resources(
            cpu_limit=cpus, mem_limit=memory, cpu_reservation=cpus, mem_reservation=memory, generic_resources=gpus
        )
        made["Limits"]["Pids"] = PIDS  # the docker package has no word for it
        return made


def _refused(error: APIError) -> StageError:
    return StageError(
        "the swarm refuses to start the stage",
        given=error.explanation or str(error),
        expected="an engine that is a manager of a swarm",
        do="see `docker node ls` there; `docker swarm init` makes a swarm of one engine",
    )
