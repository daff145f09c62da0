"""The engine's API with hard limits on every container, and the hook that hands it to operators."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from airflow.providers.docker.hooks.docker import DockerHook
from docker import APIClient
from docker.errors import DockerException
from requests.exceptions import ConnectionError as NoConnection
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from ml_pipeline.errors import StageError
from ml_pipeline_airflow.execution import POLL
from ml_pipeline_airflow.spec import PIDS

BILLION = 1_000_000_000

PATIENCE = 15.0
"""Seconds within which an engine that restarts is back; while a stage runs, `remote` waits longer."""

T = TypeVar("T")


def once_back(call: Callable[[], T]) -> T:
    """What a call of the engine returns; an engine that does not answer may be about to restart, and is asked again.

    Raises:
        Exception: whatever the call raises, of an engine that is away only once it has been for long.
    """
    away = retry_if_exception_type((NoConnection, StageError))
    return Retrying(retry=away, stop=stop_after_delay(PATIENCE), wait=wait_fixed(POLL), reraise=True)(call)


class Limits(NamedTuple):
    """What a container may use: bytes of memory (no swap beyond them) and processors."""

    memory_bytes: int
    cpus: float


class BoundedClient(APIClient):  # type: ignore[misc] # the docker package has no types
    """A client whose containers cannot take the machine or change themselves.

    The operator's `cpus` are mere shares, and it knows no way to say the rest: read-only root with a `/tmp` in
    memory, no capabilities, no new privileges, a bound on processes.
    """

    def __init__(self, limits: Limits, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._limits = limits

    def create_host_config(self, *args: Any, **kwargs: Any) -> Any:
        """The host configuration as asked for, with the limits on top."""
        return super().create_host_config(*args, **{**kwargs, **self._bounds()})

    def _bounds(self) -> dict[str, Any]:
        memory = self._limits.memory_bytes
        return {
            "mem_limit": memory,
            "memswap_limit": memory,
            "cpu_shares": None,
            "nano_cpus": int(min(self._limits.cpus, self.info()["NCPU"]) * BILLION),
            "pids_limit": PIDS,
            "read_only": True,
            "tmpfs": {"/tmp": f"rw,nosuid,nodev,size={memory}"},  # noqa: S108 - inside the container
            "cap_add": None,
            "cap_drop": ["ALL"],
            "privileged": False,
            "security_opt": ["no-new-privileges"],
        }


class StageHook(DockerHook):
    """A hook whose client is bounded. Images are never pulled, so it knows no registry."""

    def __init__(self, limits: Limits, **kwargs: Any) -> None:
        super().__init__(docker_conn_id=None, **kwargs)
        urls = kwargs["base_url"]
        self._urls = [urls] if isinstance(urls, str) else list(urls)
        self._limits = limits
        self._settings = {"version": kwargs.get("version") or "auto", "tls": kwargs.get("tls") or False}

    @cached_property
    def api_client(self) -> BoundedClient:
        """A client of the first engine that answers.

        Raises:
            StageError: none does.
        """
        reasons = []
        for url in self._urls:
            try:
                client = BoundedClient(self._limits, base_url=url, **self._settings)
                client.ping()
            except DockerException as error:
                reasons.append(f"{url} ({_first(error)})")
            else:
                self._client_created = True
                return client
        raise StageError(
            "the container engine does not answer",
            given=", ".join(reasons),
            expected="a running Docker engine",
            do="start it with `make engine`, or run stages as processes with ML_PIPELINE_RUNNER=process",
        )


def _first(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
