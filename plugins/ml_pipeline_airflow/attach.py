"""Getting what does the work of a task: what an earlier try has left and that does the same, else something new."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from ml_pipeline.durations import microseconds
from ml_pipeline.errors import StageError
from ml_pipeline_airflow.execution import POLL
from ml_pipeline_airflow.identity import TRY, Identity

KEEP = "ML_PIPELINE_KEEP_FAILED"
"""Variable: how long a container that failed stays on the engine, such as 24h; 0s removes it at once."""

PATIENCE = 15.0
"""Seconds within which a name must become free that is being freed."""


class Found(NamedTuple):
    """What is under the name of a task: its labels, whether it is of use to a next try, and what its host tells."""

    labels: Mapping[str, str]
    runs: bool
    ended_well: bool
    told: Any


class Host(Protocol):
    """Whoever runs stages under names, each of which only one can have: an engine, a swarm, a cluster."""

    kind: str
    """What a stage is on it, such as container."""

    look: str
    """How a person looks at one."""

    def find(self, name: str) -> Found | None:
        """What is under a name."""

    def make(self, wanted: Identity) -> bool:
        """Start what is wanted; False where the name is taken, or whoever had it is not gone yet."""

    def clear_away(self, found: Found) -> None:
        """Stop what is under a name, and free the name."""


def keeping() -> timedelta:
    """How long containers that failed are kept.

    Raises:
        ConfigError: the environment names no length of time.
    """
    return timedelta(microseconds=microseconds(os.environ.get(KEEP) or "24h"))


def attach(host: Host, wanted: Identity) -> tuple[Any, bool]:
    """What its host tells of what is under the name now, and whether it was there before.

    What runs or has ended well is taken over if it was given the same order. Anything else of an earlier try is cleared
    away. Where the name is taken while it is made, it is looked at again.

    Raises:
        StageError: another program, or a later try, has the name, or it does not become free.
    """
    end = time.monotonic() + PATIENCE
    while True:
        found = host.find(wanted.name)
        if found is None:
            if host.make(wanted) and (found := host.find(wanted.name)):
                return found.told, False
        elif _is_of_use(wanted, found, host):
            return found.told, True
        else:
            host.clear_away(found)
        if time.monotonic() > end:
            raise StageError(
                f"the name of this task's {host.kind} does not become free",
                given=wanted.name,
                do=f"see what is said of it (`{host.look} {wanted.name}`), then clear the task",
            )
        time.sleep(POLL)


def _is_of_use(wanted: Identity, found: Found, host: Host) -> bool:
    """Whether it does what is wanted, or has done it.

    Raises:
        StageError: it is none of this task's business.
    """
    if not wanted.owns(found.labels):
        raise StageError(
            f"a {host.kind} of another program has the name of this task's {host.kind}",
            given=wanted.name,
            do=f"look at it with `{host.look} {wanted.name}` and remove it, then clear the task",
        )
    if wanted.is_overtaken_by(found.labels):
        raise StageError(
            "a later try of this task is at work already",
            given=f"try {wanted.labels[TRY]}, and the {host.kind} of try {found.labels[TRY]}",
            do=f"nothing: the later one counts; unless its run was deleted, then remove the {host.kind}",
        )
    return wanted.does_the_same(found.labels) and (found.runs or found.ended_well)
