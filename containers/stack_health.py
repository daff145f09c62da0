"""Whether the services of a stack are well, and what those say that are not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"
PATIENCE = 300
"""Seconds after which what is not healthy will not be."""
TRIES = 5
"""Starts after which a service that ends again and again is given up."""


class UnhealthyError(Exception):
    """Services that are not well, with their last words."""


def services(client: Any, project: str) -> dict[str, Any]:
    """Service -> its container, whatever its state."""
    found = client.containers.list(all=True, ignore_removed=True, filters={"label": f"{PROJECT}={project}"})
    return {container.labels[SERVICE]: container for container in found}


def wait(client: Any, project: str) -> None:
    """Until every service is healthy, saying so of each.

    Raises:
        UnhealthyError: one is not in time, or does not stay up.
    """
    end, said = time.monotonic() + PATIENCE, set[str]()
    while unwell := _unwell(client, project, said):
        if time.monotonic() > end or any(container.attrs["RestartCount"] >= TRIES for container in unwell.values()):
            raise UnhealthyError(complaint(unwell))
        time.sleep(0.5)


def complaint(unwell: Mapping[str, Any]) -> str:
    """What is not well, in its own words."""
    words = {name: one.logs(tail=15).decode(errors="replace") for name, one in unwell.items()}
    said = [f"{name} ({unwell[name].status}), its last words:\n{own}" for name, own in words.items()]
    return "\n".join(["this does not become healthy:", *said])


def _unwell(client: Any, project: str, said: set[str]) -> dict[str, Any]:
    found = services(client, project)
    unwell = {name: container for name, container in found.items() if not well(container.attrs["State"])}
    for name in sorted(found.keys() - unwell.keys() - said):
        said.add(name)
        print(f"stack: {name} is {'healthy' if found[name].status == 'running' else 'done'}", flush=True)
    return unwell


def well(state: Mapping[str, Any]) -> bool:
    """Healthy, or done, for what runs once."""
    if state["Status"] == "exited":
        return bool(state["ExitCode"] == 0)
    return bool(state.get("Health", {}).get("Status") == "healthy")
