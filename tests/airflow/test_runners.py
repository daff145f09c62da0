"""One table of behaviour for all runners: processes, a Docker engine, a swarm of one node, a stand-in for a cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import msgspec
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, AirflowTaskTimeout
from ml_pipeline_airflow import stage_task

from ml_pipeline.errors import StageError
from tests.airflow.grounds import DockerEngine, Ground, Processes
from tests.airflow.own_engine import CAN_START
from tests.airflow.worker import Worker, until

DOCKER = pytest.param("docker", marks=pytest.mark.containers)
SWARM = pytest.param(
    "swarm", marks=[pytest.mark.containers, pytest.mark.skipif(not CAN_START, reason="only root starts an engine")]
)
LASTING = [DOCKER, SWARM, "kubernetes"]
"""Runners whose stages outlive the worker that started them."""

ENDS = [
    ("nothing", AirflowSkipException, "no new records"),
    ("usage", AirflowFailException, "there is no such stage. Given: this. Expected: that. To do: mend it"),
    ("broken", AirflowException, "the stage broke"),
    ("dumb", AirflowException, r"(?s)exit code 7.*a warning"),
    ("silent", StageError, "without the result it owes"),
    ("stale", StageError, "of-another-try"),
]


@pytest.fixture
def on_processes(demo: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Processes:
    monkeypatch.setenv("STAND_IN", "done")
    return Processes()


@pytest.fixture
def on_docker(engine: docker.DockerClient, demo: Path, left: Callable[[], list[Any]]) -> DockerEngine:
    return DockerEngine(left)


@pytest.fixture
def ground(request: pytest.FixtureRequest) -> Ground:
    names = {"process": "on_processes", "docker": "on_docker", "swarm": "on_swarm", "kubernetes": "on_cluster"}
    found: Ground = request.getfixturevalue(names[request.param])
    return found


every_runner = pytest.mark.parametrize("ground", ["process", *LASTING], indirect=True)
lasting_runners = pytest.mark.parametrize("ground", LASTING, indirect=True)


@every_runner
def test_the_stage_gets_its_order_and_the_task_its_result(
    ground: Ground, shared: Path, context: Callable[..., Any]
) -> None:
    told = context(try_number=2, force=["split"], parameters={"split.test": "90d"})
    summary = ground.operator("done").execute(told)
    seen = _seen(shared)
    order = seen["request"]
    assert order["as_of"] == "2013-09-01T04:00:00Z"
    assert order["attempt"] == "0198-ti-2"
    assert order["parameters"] == {"split.test": "90d"}
    assert order["force"] is True
    assert order["run_id"].startswith("offline-r-1-")
    assert order.get("images", {}) == ground.contents
    assert not [name for name in seen["environment"] if "AIRFLOW" in name]
    assert summary["steps"]["split"]["rows_out"] == 3
    until(lambda: not ground.left())


@every_runner
@pytest.mark.parametrize(("how", "kind", "words"), ENDS, ids=[how for how, *_ in ENDS])
def test_every_end_has_its_exception(
    ground: Ground, context: Callable[..., Any], how: str, kind: type, words: str
) -> None:
    with pytest.raises(kind, match=words):
        ground.operator(how).execute(context())
    until(lambda: not ground.left())


@every_runner
@pytest.mark.parametrize("how", ["hang", "stubborn"])
def test_a_killed_task_is_not_green_and_leaves_nothing(ground: Ground, context: Callable[..., Any], how: str) -> None:
    made = ground.operator(how)

    def kill() -> None:
        until(ground.at_work)
        time.sleep(0.7)
        made.on_kill()

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(AirflowException, match=r"^The task was killed; its stage was stopped\.$"):
        made.execute(context())
    until(lambda: not ground.left() and not ground.at_work())


@lasting_runners
def test_the_next_try_takes_over_what_a_killed_worker_left_running(ground: Ground, shared: Path) -> None:
    first = ground.worker(shared.parent)
    until(lambda: _started(shared))
    first.kill()
    second = ground.worker(shared.parent, try_number=2)
    threading.Timer(0.7, _open, [shared]).start()
    assert second.outcome()["steps"]["split"]["status"] == "done"
    assert _started(shared) == ["0198-ti-1"]
    until(lambda: not ground.left())


@lasting_runners
def test_what_does_something_else_is_fenced_off_first(ground: Ground, shared: Path) -> None:
    first = ground.worker(shared.parent)
    until(lambda: _started(shared))
    first.kill()
    second = ground.worker(shared.parent, try_number=2, force=["split"])
    until(lambda: len(_started(shared)) == 2)
    _open(shared)
    assert second.outcome()["steps"]["split"]["status"] == "done"
    until(lambda: not ground.left())


@lasting_runners
def test_what_its_first_worker_stops_after_it_was_taken_over_is_done_anew(ground: Ground, shared: Path) -> None:
    first = ground.worker(shared.parent)
    until(lambda: _started(shared))
    second = ground.worker(shared.parent, try_number=2)
    threading.Timer(2.5, first.terminate).start()
    until(lambda: len(_started(shared)) == 2)
    assert first.outcome()[0] == "AirflowException"
    _open(shared)
    assert second.outcome()["steps"]["split"]["status"] == "done"
    until(lambda: not ground.left())


@lasting_runners
def test_an_earlier_try_that_wakes_up_late_gives_way(ground: Ground, shared: Path, context: Callable[..., Any]) -> None:
    later: Worker = ground.worker(shared.parent, try_number=2)
    until(lambda: _started(shared))
    with pytest.raises(StageError, match=r"a later try of this task is at work.*the later one counts"):
        ground.operator("gated").execute(context(try_number=1))
    _open(shared)
    assert later.outcome()["steps"]["split"]["status"] == "done"


@lasting_runners
def test_a_task_that_takes_too_long_is_stopped_and_says_how_far_it_came(
    ground: Ground, shared: Path, context: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_long(*_: Any) -> int:
        until(lambda: _started(shared))
        raise AirflowTaskTimeout("Timeout, PID: 1")

    monkeypatch.setattr(stage_task, "watch", too_long)
    words = r"(?s)^Timeout, PID: 1\. .*exit code 143.*Its last lines:.*waiting at the gate"
    with pytest.raises(AirflowTaskTimeout, match=words):
        ground.operator("gated").execute(context())
    until(lambda: not ground.left() and not ground.at_work())


def _seen(store: Path) -> dict[str, Any]:
    (found,) = store.glob("demo/runs/*/split/result.json")
    metrics: dict[str, Any] = msgspec.json.decode(found.read_bytes())["metrics"]
    return metrics


def _started(store: Path) -> list[str]:
    """The attempts whose stage came as far as the gate."""
    return sorted(path.name.removeprefix("started-") for path in store.glob("demo/started-*"))


def _open(store: Path) -> None:
    (store / "demo" / "gate").touch()
