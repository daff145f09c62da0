"""Getting the container of a task: one that an earlier try has left and that does the same, else a new one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from docker.errors import APIError, NotFound

from ml_pipeline.durations import microseconds
from ml_pipeline.errors import StageError
from ml_pipeline_airflow.container import ENGINE_TROUBLE, StageContainer, keep, remove
from ml_pipeline_airflow.execution import GRACE, POLL
from ml_pipeline_airflow.identity import ATTEMPT, TRY, Identity

KEEP = "ML_PIPELINE_KEEP_FAILED"
"""Variable: how long a container that failed stays on the engine, such as 24h; 0s removes it at once."""

PATIENCE = 15.0
"""Seconds within which a name must become free that is being freed."""


def keeping() -> timedelta:
    """How long containers that failed are kept.

    Raises:
        ConfigError: the environment names no length of time.
    """
    return timedelta(microseconds=microseconds(os.environ.get(KEEP) or "24h"))


def attach(client: Any, wanted: Identity, make: Callable[[], None]) -> StageContainer:
    """Take over what is under the name, or free the name and `make` a container of it.

    A container that runs or has ended well is taken over if it was given the same order. Any other one of an earlier
    try is stopped and removed, one that has failed is kept. `make` creates and starts; where the name is taken in
    between, it is looked at again.

    Raises:
        StageError: another program, or a later try, has the name, or it does not become free.
    """
    end = time.monotonic() + PATIENCE
    while True:
        found = _found(client, wanted.name)
        if found is None:
            if _made(make) and (found := _found(client, wanted.name)):
                return StageContainer(client, found)
        elif _is_of_use(wanted, found):
            return StageContainer(client, found, adopted=True)
        else:
            _clear_away(client, found)
        if time.monotonic() > end:
            raise StageError(
                "the name of this task's container does not become free",
                given=wanted.name,
                do="see what the engine says of it (`docker inspect`), then clear the task",
            )
        time.sleep(POLL)


def discard(client: Any, name: str, attempt: str) -> None:
    """Remove the container that an attempt may have made, where making it was broken off."""
    with suppress(*ENGINE_TROUBLE):
        found = _found(client, name)
        if found and _labels(found).get(ATTEMPT) == attempt:
            remove(client, found["Id"], _labels(found))


def _found(client: Any, name: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = client.inspect_container(name)
    except NotFound:
        return None
    return found


def _made(make: Callable[[], None]) -> bool:
    """False where somebody else took the name just now, or whoever had it is not gone yet."""
    try:
        make()
    except APIError as error:
        if error.status_code != 409:
            raise
        return False
    return True


def _is_of_use(wanted: Identity, found: Mapping[str, Any]) -> bool:
    """Whether a container does what is wanted, or has done it.

    Raises:
        StageError: it is none of this task's business.
    """
    labels, state = _labels(found), found["State"]
    if not wanted.owns(labels):
        raise StageError(
            "a container of another program has the name of this task's container",
            given=wanted.name,
            do="remove it with `docker rm`, then clear the task",
        )
    if wanted.is_overtaken_by(labels):
        raise StageError(
            "a later try of this task is at work already",
            given=f"try {wanted.labels[TRY]}, and the container of try {labels[TRY]}",
            do="nothing: the later one counts; unless its run was deleted, then remove the container",
        )
    return wanted.does_the_same(labels) and (bool(state["Running"]) or _has_ended_well(state))


def _has_ended_well(state: Mapping[str, Any]) -> bool:
    return bool(state["Status"] == "exited" and state["ExitCode"] == 0)


def _clear_away(client: Any, found: Mapping[str, Any]) -> None:
    """Stop and remove what is under a name; what has failed by itself is kept."""
    container, name, labels = found["Id"], found["Name"].removeprefix("/"), _labels(found)
    if found["State"]["Running"]:
        with suppress(*ENGINE_TROUBLE):
            client.stop(container, timeout=GRACE)
    elif found["State"]["ExitCode"] and keeping() and keep(client, container, name, labels) != name:
        return
    remove(client, container, labels)


def _labels(found: Mapping[str, Any]) -> Mapping[str, str]:
    return found["Config"].get("Labels") or {}
