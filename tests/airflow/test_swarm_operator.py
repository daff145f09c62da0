"""What is particular to stages as services of a swarm; `test_runners` has what they share with all others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import msgspec
import pytest
from airflow.sdk.exceptions import AirflowException
from ml_pipeline_airflow import service
from ml_pipeline_airflow.attach import attach
from ml_pipeline_airflow.identity import identity
from ml_pipeline_airflow.mounts import STAGE_USER
from ml_pipeline_airflow.service import StageService
from ml_pipeline_airflow.swarm import ISOLATED, Swarm

from ml_pipeline.errors import StageError
from tests.airflow.grounds import OneNodeSwarm
from tests.airflow.own_engine import CAN_START
from tests.airflow.worker import until

pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(not CAN_START, reason="only root starts an engine"),
    pytest.mark.usefixtures("demo"),
]


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")


def test_a_service_is_bounded_named_and_knows_no_secret_but_a_file(
    on_swarm: OneNodeSwarm, context: Callable[..., Any], shared: Path, credentials: None
) -> None:
    made = on_swarm.operator("hang")
    with made.start(made.order(context())) as running:
        until(on_swarm.at_work)
        (container,) = on_swarm.client.containers()
        found = on_swarm.client.inspect_container(container["Id"])
        told = on_swarm.client.inspect_service(running.id)
        assert "hush-hush" not in str(on_swarm.client.secrets()) + str(told) + str(found)
    host = found["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (256 << 20, 1_000_000_000, 512)
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "20m", "max-file": "2"}}
    assert found["Config"]["User"] == f"{STAGE_USER}:{STAGE_USER}"
    writable = {mount["Destination"] for mount in found["Mounts"] if mount["RW"]}
    assert writable <= {str(shared), "/tmp"}
    assert list(found["NetworkSettings"]["Networks"]) == [ISOLATED]
    assert on_swarm.client.inspect_network(ISOLATED)["Internal"]
    task = told["Spec"]["TaskTemplate"]
    assert task["RestartPolicy"]["Condition"] == "none"
    assert task["Resources"]["Reservations"] == {"NanoCPUs": 1_000_000_000, "MemoryBytes": 256 << 20}
    labels = {"dag": "demo.offline_training", "run": "r:1", "task": "split", "map-index": "-1", "try": "1"}
    for name, value in (labels | {"use-case": "demo"}).items():
        assert told["Spec"]["Labels"][f"ml-pipeline.{name}"] == value


def test_the_stage_reads_its_credentials_from_the_swarms_secret(
    on_swarm: OneNodeSwarm, context: Callable[..., Any], shared: Path, credentials: None
) -> None:
    on_swarm.operator("done").execute(context())
    (found,) = shared.glob("demo/runs/*/split/result.json")
    look = msgspec.json.decode(found.read_bytes())["metrics"]
    assert look["secret"].split()[-1] == "hush-hush"
    assert (look["uid"], look["root_writable"]) == (STAGE_USER, False)
    assert "hush-hush" not in str(look["environment"])
    assert on_swarm.client.secrets() == []


def test_a_stage_that_takes_too_much_memory_is_told_so(
    on_swarm: OneNodeSwarm, context: Callable[..., Any], shared: Path
) -> None:
    with pytest.raises(AirflowException, match="The service ran out of its memory of 256MB"):
        on_swarm.operator("greedy").execute(context())


def test_a_stage_for_which_no_node_has_room_says_so(
    on_swarm: OneNodeSwarm, context: Callable[..., Any], shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PENDING", 0.0)
    with pytest.raises(StageError, match=r"no node of the swarm takes the stage.*insufficient resources"):
        on_swarm.operator("done").execute(context(parameters={"resources.cpus": 500}))
    assert on_swarm.left() == []


@pytest.mark.parametrize(("stages", "asked"), [(["train"], True), (["split"], False)])
def test_a_stage_that_computes_with_the_model_asks_for_gpus_and_no_other(
    on_swarm: OneNodeSwarm, context: Callable[..., Any], shared: Path, stages: list[str], asked: bool
) -> None:
    made = on_swarm.operator("done", stages=stages)
    with made.start(made.order(context(parameters={"resources.gpus": 2}))) as waiting:
        reserved = on_swarm.client.inspect_service(waiting.id)["Spec"]["TaskTemplate"]["Resources"]["Reservations"]
    wanted = [{"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 2}}]
    assert reserved.get("GenericResources") == (wanted if asked else None)


def test_a_service_that_no_node_can_start_says_why(
    on_swarm: OneNodeSwarm, context: Callable[..., Any], shared: Path
) -> None:
    made = on_swarm.operator("done")
    order = made.order(context())
    spec = made.spec(order)._replace(image=f"sha256:{'0' * 64}")
    found, _ = attach(Swarm(on_swarm.client, spec, {}, None, None), identity(order, spec))
    started = StageService(on_swarm.client, found)
    with pytest.raises(StageError, match=r"did not run the stage to its end. Given: rejected: .*No such image"):
        until(lambda: started.exit_code() is not None)
    started.stop()


def test_a_service_that_somebody_removes_is_said_to_be_removed(
    on_swarm: OneNodeSwarm, context: Callable[..., Any], shared: Path
) -> None:
    worker = on_swarm.worker(shared.parent)
    until(lambda: list(shared.glob("demo/started-*")))
    (found,) = on_swarm.client.services()
    on_swarm.client.remove_service(found["ID"])
    kind, text = worker.outcome()
    assert kind == "AirflowException"
    assert "service was told to stop from outside" in text or "Somebody removed the service while it ran" in text
    assert on_swarm.left() == []


def test_an_engine_that_is_no_swarm_says_what_to_do(
    engine: docker.DockerClient, on_swarm: OneNodeSwarm, context: Callable[..., Any], shared: Path
) -> None:
    made = on_swarm.operator("done", docker_url="unix:///var/run/docker.sock", references={"data": _any(engine)})
    with pytest.raises(StageError, match=r"refuses to start the stage.*docker swarm init"):
        made.execute(context())


def _any(engine: docker.DockerClient) -> str:
    from tests.airflow.worker import IMAGE

    return str(engine.images.get(IMAGE).id)
