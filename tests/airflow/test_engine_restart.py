"""A container engine that goes away while a stage runs. It is one of its own: nobody else's containers are on it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.airflow.own_engine import CAN_START, TAG, Engine
from tests.airflow.worker import IMAGE, Worker, until

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.containers,
    pytest.mark.skipif(not CAN_START, reason="only root starts an engine"),
]


@pytest.fixture(scope="module")
def own_engine(engine: docker.DockerClient) -> Iterator[Engine]:
    own = Engine(Path(tempfile.mkdtemp(prefix="ml-pipeline-engine-", dir="/var/tmp")))
    try:
        own.start(live_restore=True)
        own.load(IMAGE)
        yield own
    finally:
        own.clear()


@pytest.mark.parametrize("live_restore", [True, False])
def test_a_stage_goes_on_where_its_container_does_and_else_the_error_says_why(
    own_engine: Engine, demo: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, live_restore: bool
) -> None:
    monkeypatch.setenv("DOCKER_HOST", own_engine.url)
    worker = Worker(shared.parent, {"image": TAG, "how": "gated"}, {})
    until(lambda: list(shared.glob("demo/started-*")))
    own_engine.end()
    own_engine.start(live_restore=live_restore)
    if live_restore:
        (shared / "demo" / "gate").touch()
        assert worker.outcome()["steps"]["split"]["status"] == "done"
        assert len(list(shared.glob("demo/started-*"))) == 1
        return
    kind, text = worker.outcome()
    assert kind == "AirflowException"
    assert "from outside: by a person, or by an engine that restarts and is not set to live-restore" in text
    (shared / "demo" / "gate").touch()
    own_engine.end()
    again = Worker(shared.parent, {"image": TAG, "how": "gated"}, {"try_number": 2})
    own_engine.start(live_restore=live_restore)  # a try that begins while the engine is away waits for it
    assert again.outcome()["steps"]["split"]["status"] == "done"
