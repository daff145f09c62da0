"""What is particular to stages as pods, against a stand-in for a cluster; `test_runners` has what all runners share."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import yaml
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from kubernetes.client import ApiClient
from kubernetes.client import models as k8s
from ml_pipeline_airflow.images import PINNED
from ml_pipeline_airflow.mounts import STAGE_USER
from ml_pipeline_airflow.pod_template import CLAIM, SECRET

from ml_pipeline.errors import StageError
from tests.airflow.grounds import DIGEST, Cluster
from tests.airflow.worker import until


@pytest.fixture
def made(on_cluster: Cluster, context: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Run a task and return the pod that the cluster was asked for."""

    def make(how: str = "done", params: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        on_cluster.operator(how, **more).execute(context(**params or {}))
        return on_cluster.server.made[-1]

    return make


def test_every_word_of_a_pod_is_one_that_kubernetes_knows(made: Callable[..., dict[str, Any]]) -> None:
    """What its models do not know is lost on the way through them; what they must have, they ask for."""
    asked = made()
    client = ApiClient()
    pod = client.deserialize(SimpleNamespace(data=json.dumps(asked)), "V1Pod")
    assert isinstance(pod, k8s.V1Pod)
    assert client.sanitize_for_serialization(pod) == asked


def test_a_pod_is_bounded_and_may_do_nothing(made: Callable[..., dict[str, Any]], shared: Path) -> None:
    pod = made()
    spec, (container,) = pod["spec"], pod["spec"]["containers"]
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": STAGE_USER,
        "runAsGroup": STAGE_USER,
        "fsGroup": STAGE_USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    bounds = {"memory": str(256 << 20), "cpu": "1"}
    assert container["resources"] == {"limits": bounds, "requests": bounds}
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    assert (spec["restartPolicy"], spec["terminationGracePeriodSeconds"]) == ("Never", 2)
    assert len(spec["containers"]) == 1  # none beside it for what the task returns
    assert container["image"] == f"registry.invalid/demo-data@{DIGEST}"
    places = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert places == {"/tmp": "tmp", str(shared): "store"}
    assert {volume["name"]: volume for volume in spec["volumes"]} == {
        "tmp": {"name": "tmp", "emptyDir": {}},
        "store": {"name": "store", "persistentVolumeClaim": {"claimName": "store"}},
    }


def test_a_pod_says_whose_it_is(made: Callable[..., dict[str, Any]], shared: Path) -> None:
    metadata = made()["metadata"]
    assert metadata["namespace"] == "stages"
    assert metadata["annotations"]["ml-pipeline.store"] == str(shared)
    assert metadata["annotations"]["ml-pipeline.attempt"] == "0198-ti-1"
    assert metadata["labels"]["ml-pipeline.network"] == "none"
    assert metadata["labels"]["dag_id"] == "demo.offline_training"
    assert all(len(value) <= 63 for value in metadata["labels"].values())


def test_credentials_are_a_secret_of_the_cluster_and_never_in_a_pod(
    made: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    monkeypatch.setenv(SECRET, "stage-credentials")
    pod = made()
    assert "hush-hush" not in str(pod)
    assert "AKIDTEST" not in str(pod)
    secret = next(volume["secret"] for volume in pod["spec"]["volumes"] if volume["name"] == "secrets")
    assert secret == {"secretName": "stage-credentials", "defaultMode": 0o440}
    (container,) = pod["spec"]["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == "/run/secrets/aws-credentials"
    assert {"name": "secrets", "mountPath": "/run/secrets", "readOnly": True} in container["volumeMounts"]


def test_a_stage_that_computes_with_the_model_asks_for_gpus(made: Callable[..., dict[str, Any]]) -> None:
    asked = {"parameters": {"resources.gpus": 2}}
    for stage, gpus in (("train", "2"), ("split", None)):
        (container,) = made(params=asked, stages=[stage])["spec"]["containers"]
        assert container["resources"]["limits"].get("nvidia.com/gpu") == gpus


def test_further_settings_of_the_operator_are_added(made: Callable[..., dict[str, Any]]) -> None:
    spec = made(node_selector={"pool": "night"}, execution_timeout=timedelta(minutes=5))["spec"]
    assert spec["nodeSelector"] == {"pool": "night"}
    assert spec["activeDeadlineSeconds"] == 5 * 60 + 120


def test_what_looks_like_a_variable_reaches_the_stage_as_it_is(
    made: Callable[..., dict[str, Any]], shared: Path
) -> None:
    question = "Is $(HOME) worth 5$ or $$5?"
    made(params={"parameters": {"question": question}})
    (found,) = shared.glob("demo/runs/*/split/result.json")
    assert msgspec.json.decode(found.read_bytes())["metrics"]["request"]["parameters"] == {"question": question}


def test_what_the_task_returns_is_pushed(on_cluster: Cluster, context: Callable[..., Any]) -> None:
    told, pushed = context(), {}
    told["ti"].xcom_push = lambda key, value: pushed.update({key: value})
    summary = on_cluster.operator("done").execute(told)
    assert pushed == {"return_value": summary}


@pytest.mark.parametrize(
    ("action", "kept"), [("keep_pod", True), ("delete_succeeded_pod", True), ("delete_pod", False)]
)
def test_what_becomes_of_a_failed_pod_is_up_to_on_finish_action_and_the_next_try_replaces_it(
    on_cluster: Cluster, context: Callable[..., Any], action: str, kept: bool
) -> None:
    with pytest.raises(AirflowException, match="the stage broke"):
        on_cluster.operator("broken", on_finish_action=action).execute(context())
    until(lambda: bool(on_cluster.left()) == kept)
    assert on_cluster.operator("done").execute(context(try_number=2))["steps"]["split"]["rows_out"] == 3
    until(lambda: not on_cluster.left())


def test_a_pod_that_cannot_start_says_why_and_goes(
    on_cluster: Cluster, context: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_cluster.server, "pulls", False)
    with pytest.raises(StageError, match=r"does not start the stage. Given: ErrImagePull: there is no such image"):
        on_cluster.operator("done", startup_timeout_seconds=0).execute(context())
    until(lambda: not on_cluster.left())


def test_a_cluster_that_refuses_says_why(
    on_cluster: Cluster, context: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_cluster.server, "refuses", (403, "exceeded quota: stages"))
    with pytest.raises(StageError, match=r"refuses to run the stage.*exceeded quota: stages"):
        on_cluster.operator("done").execute(context())


@pytest.mark.parametrize(
    ("strike", "words"),
    [
        ({"reason": "OOMKilled"}, "The pod ran out of its memory of 256MB"),
        ({"evicted": True}, "The cluster ended the pod. Evicted: The node was low on memory"),
        ({}, "The pod was killed from outside: by a person, or by the cluster"),
    ],
)
def test_a_pod_that_is_ended_from_outside_says_how(
    on_cluster: Cluster, context: Callable[..., Any], strike: dict[str, Any], words: str
) -> None:
    def kill() -> None:
        pod = until(lambda: next((one for one in on_cluster.server.pods.values() if "hanging" in str(one.lines)), None))
        vars(pod).update(strike)
        if not pod.evicted:
            pod.end(0)

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(AirflowException, match=words):
        on_cluster.operator("stubborn").execute(context())


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (None, "nothing says where the cluster gets its images"),
        ({"demo-data": "registry.invalid/demo-data:1"}, "does not say for good which image demo-data is"),
    ],
)
def test_an_image_must_be_named_by_its_digest(
    on_cluster: Cluster,
    context: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: dict[str, str] | None,
    words: str,
) -> None:
    monkeypatch.setenv(PINNED, str(tmp_path / "images.yaml"))
    if file:
        (tmp_path / "images.yaml").write_text(yaml.safe_dump(file))
    with pytest.raises(AirflowFailException, match=words):
        on_cluster.operator("done").execute(context())


def test_a_folder_without_a_claim_is_no_store_for_pods(
    on_cluster: Cluster, context: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CLAIM)
    with pytest.raises(AirflowFailException, match=rf"does not see this machine's disk.*{CLAIM}"):
        on_cluster.operator("done").execute(context())


def test_nor_are_records_on_this_machine_within_reach(
    on_cluster: Cluster, context: Callable[..., Any], shared: Path
) -> None:
    records = shared.parent / "orders.csv"
    records.touch()
    parameters = {"sources.orders.address": str(records)}
    with pytest.raises(AirflowFailException, match=rf"does not see this machine's disk. Given: {records}.*store:PATH"):
        on_cluster.operator("done", stages=["ingest.orders"]).execute(context(parameters=parameters))
