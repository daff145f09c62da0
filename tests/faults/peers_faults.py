"""The twelve faults, each of which strikes a task of either kind in the same way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

import docker

from tests.faults.peers_case import Case

LONG = 60.0
"""Seconds that a stage may take where its time is not what is tried."""

GIVE_UP = 5.0
"""Seconds within which a task gives up whose engine went away, or it goes on."""


class Fault(NamedTuple):
    """What befalls a task whose stage behaves in a way, and words that name the cause of an error."""

    name: str
    stage: str
    strike: Callable[[Case], None] | None = None
    cause: str = ""
    timeout: float = LONG


def _killed(case: Case) -> None:
    case.at_work()
    case.last.kill()


def _marked_failed(case: Case) -> None:
    case.at_work()
    case.mark_failed()


def _shut_down(case: Case) -> None:
    case.at_work()
    case.last.terminate()


def _removed(case: Case) -> None:
    case.at_work()
    with closing(docker.DockerClient(case.ground.url)) as client:
        for container in case.containers(client):
            container.remove(force=True)


def _restarted(case: Case) -> None:
    engine = case.ground.engine
    assert engine
    case.at_work()
    engine.end()
    engine.start(live_restore=True)
    case.last.process.join(GIVE_UP)
    if case.last.process.is_alive():
        case.open()


def _overtaken(case: Case) -> None:
    case.at_work()
    zombie = case.last
    zombie.freeze()
    case.begin()
    case.at_work()
    case.open()
    case.last.wait()
    zombie.thaw()
    zombie.wait()


RESTART = Fault("engine restarted in mid-stage (live-restore)", "gated", _restarted, "engine|daemon|socket|connection")
FAULTS = (
    Fault("worker killed (SIGKILL) in mid-stage, then the retry", "gated", _killed),
    Fault("task marked failed in the UI", "gated", _marked_failed),
    Fault("worker shut down (SIGTERM), container exits 0 for it", "polite", _shut_down, "killed|terminated|SIGTERM"),
    Fault("task marked failed in the UI, container ignores SIGTERM", "stubborn", _marked_failed),
    Fault("execution_timeout passes", "gated", None, "time.?out", timeout=8),
    Fault("container exits 0 without having done its work", "silent", None, "result"),
    Fault("container runs out of memory", "greedy", None, "memory|oom"),
    Fault("container removed from outside while it runs", "gated", _removed, "removal|removed|no such container"),
    Fault("container exits at once, with code 7", "dumb", None, "exit code 7|'StatusCode': 7"),
    RESTART,
    Fault("two tries at once: a zombie worker and the retry", "gated", _overtaken),
    Fault("the last line that a stage says is a secret", "confiding"),
)
