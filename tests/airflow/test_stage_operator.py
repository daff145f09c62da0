"""What is particular to stages as containers; `test_runners` has what they share with all others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import msgspec
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from ml_pipeline_airflow import docker_client, remote
from ml_pipeline_airflow.container import StageContainer
from ml_pipeline_airflow.mounts import STAGE_USER
from ml_pipeline_airflow.stage_operator import StageOperator

from ml_pipeline.errors import StageError


def seen(store: Path) -> dict[str, Any]:
    (found,) = store.glob("demo/runs/*/split/result.json")
    found_metrics: dict[str, Any] = msgspec.json.decode(found.read_bytes())["metrics"]
    return found_metrics


def test_without_an_engine_the_error_says_what_to_do(
    operator: Callable[..., StageOperator],
    context: Callable[..., Any],
    no_engine: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(docker_client, "PATIENCE", 0.5)
    with pytest.raises(StageError, match=rf"does not answer. Given: {no_engine}.*make engine"):
        operator().execute(context())


@pytest.mark.containers
class TestOnAnEngine:
    @pytest.fixture(autouse=True)
    def _ready(self, engine: docker.DockerClient, left: Callable[[], list[Any]]) -> None:
        self.engine, self.listed = engine, left

    def test_a_missing_image_is_not_retried_and_the_error_says_what_to_do(
        self, operator: Callable[..., StageOperator], context: Callable[..., Any]
    ) -> None:
        with pytest.raises(AirflowFailException, match=r"ml-pipeline-test/none:1.*make images"):
            operator(references={"data": "ml-pipeline-test/none:1"}).execute(context())
        with pytest.raises(AirflowFailException, match=r"Given: ml-pipeline/demo-data:latest.*make images"):
            operator(references=None).execute(context())

    def test_a_container_is_bounded_named_and_knows_no_secret_but_a_file(
        self,
        operator: Callable[..., StageOperator],
        context: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
        made, found = operator("hang"), {}
        order = made.order(context())
        with made.start(order) as container:
            found = self.engine.api.inspect_container(container.id)
            secret = Path(next(mount["Source"] for mount in found["Mounts"] if "/run/secrets" in mount["Destination"]))
            assert "hush-hush" in secret.read_text()
            assert (secret.stat().st_mode & 0o777, secret.stat().st_uid) == (0o400, STAGE_USER)
        assert not secret.exists()
        host = found["HostConfig"]
        assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (256 << 20, 1_000_000_000, 512)
        assert host["MemorySwap"] in (host["Memory"], -1)  # -1 where the kernel does not count swap
        assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
        assert "no-new-privileges" in host["SecurityOpt"]
        assert list(host["Tmpfs"]) == ["/tmp"]
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "20m", "max-file": "2"}}
        assert not host["DeviceRequests"]
        assert host["NetworkMode"] == "none"  # the store is a folder and split asks nobody
        assert found["Config"]["User"] == f"{STAGE_USER}:{STAGE_USER}"
        assert "hush-hush" not in str(found)
        assert "AKIDTEST" not in str(found)
        writable = {mount["Destination"] for mount in found["Mounts"] if mount["RW"]}
        assert writable == {order.request.store}
        labels = {"dag": "demo.offline_training", "run": "r:1", "task": "split", "map-index": "-1", "try": "1"}
        for name, value in (labels | {"use-case": "demo"}).items():
            assert found["Config"]["Labels"][f"ml-pipeline.{name}"] == value

    def test_the_stage_reads_its_credentials_and_writes_nothing_else(
        self,
        operator: Callable[..., StageOperator],
        context: Callable[..., Any],
        shared: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
        operator().execute(context())
        look = seen(shared)
        assert look["secret"].split() == [
            "[default]",
            "aws_access_key_id",
            "=",
            "AKIDTEST",
            "aws_secret_access_key",
            "=",
            "hush-hush",
        ]
        assert look["uid"] == STAGE_USER
        assert not look["root_writable"]
        assert "hush-hush" not in str(look["environment"])

    def test_a_stage_that_takes_too_much_memory_is_told_so(
        self, operator: Callable[..., StageOperator], context: Callable[..., Any]
    ) -> None:
        with pytest.raises(AirflowException, match="out of its memory of 256MB"):
            operator("greedy").execute(context())
        assert self.left() == []

    def test_a_stage_that_fetches_records_has_a_network(
        self, operator: Callable[..., StageOperator], context: Callable[..., Any]
    ) -> None:
        made = operator("hang", stages=["ingest.orders"])
        with made.start(made.order(context())) as container:
            assert self.engine.api.inspect_container(container.id)["HostConfig"]["NetworkMode"] == "bridge"

    def test_records_at_a_local_path_are_mounted_for_the_stage_that_fetches_them(
        self, operator: Callable[..., StageOperator], context: Callable[..., Any], shared: Path
    ) -> None:
        orders, weather = shared.parent / "orders.csv", shared.parent / "weather"
        orders.touch()
        weather.mkdir()
        detour = f"{shared.parent}/away/../orders.csv"
        parameters = {"sources.orders.address": detour, "sources.weather.address": f"sqlite:{weather}"}
        made = operator("hang", stages=["ingest.orders"])
        order = made.order(context(parameters=parameters))
        with made.start(order) as container:
            mounted = self.mounted(container)
            (told,) = self.engine.api.inspect_container(container.id)["Config"]["Cmd"][1:]
        assert mounted == {str(shared): True, str(orders): False}
        assert msgspec.json.decode(told)["parameters"] == parameters | {"sources.orders.address": str(orders)}
        other = operator("hang", stages=["prepare.orders", "ingest.weather"])
        with other.start(other.order(context(parameters=parameters))) as container:
            assert self.mounted(container) == {str(shared): True, str(weather): False}

    def test_records_that_the_image_holds_are_not(
        self, operator: Callable[..., StageOperator], context: Callable[..., Any], demo: Path, shared: Path
    ) -> None:
        made = operator("hang", stages=["ingest.orders"])
        for address in ("orders.csv", str(demo / "demo_case/orders.csv"), "s3://bucket/orders"):
            with made.start(made.order(context(parameters={"sources.orders.address": address}))) as container:
                assert self.mounted(container) == {str(shared): True}

    def test_records_that_are_not_there_keep_the_stage_from_starting(
        self, operator: Callable[..., StageOperator], context: Callable[..., Any], tmp_path: Path
    ) -> None:
        made = operator(stages=["ingest.orders"])
        with pytest.raises(AirflowFailException, match=rf"not where pipeline.yaml says. Given: {tmp_path}/none.csv"):
            made.execute(context(parameters={"sources.orders.address": f"{tmp_path}/none.csv"}))
        assert self.left() == []

    def test_a_strangers_container_of_the_same_name_is_left_alone(
        self, operator: Callable[..., StageOperator], context: Callable[..., Any]
    ) -> None:
        made = operator("hang")
        with made.start(made.order(context())) as mine:
            name = mine.name
        stranger = self.engine.containers.create(made.references["data"], name=name)
        try:
            with pytest.raises(StageError, match="another program"):
                operator().execute(context())
        finally:
            stranger.remove()

    def test_stopping_and_removing_what_is_gone_is_no_error(
        self, operator: Callable[..., StageOperator], context: Callable[..., Any]
    ) -> None:
        made = operator("hang")
        with made.start(made.order(context())) as container:
            self.engine.api.remove_container(container.id, force=True)
            container.stop()
            container.remove()
            assert container.keep() == ""
            assert container.exit_code() == 137
            assert "Somebody removed the container" in container.post_mortem()
            assert container.all_lines() == []

    def test_an_engine_that_goes_away_for_good_is_said_in_words(
        self,
        operator: Callable[..., StageOperator],
        context: Callable[..., Any],
        no_engine: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(remote, "PATIENCE", 0.0)
        made = operator("hang", docker_url="unix:///var/run/docker.sock")
        with made.start(made.order(context())) as container:
            away = docker.APIClient(base_url=no_engine, version="1.41")
            there, container.client = container.client, away
            assert container.exit_code() is None  # it may be back soon
            with pytest.raises(StageError, match=r"stopped answering.*make engine"):
                container.exit_code()
            away.close()
            container.client = there

    def mounted(self, container: StageContainer) -> dict[str, bool]:
        """Path of each mount that is no secret, and whether it may be written."""
        found = self.engine.api.inspect_container(container.id)["Mounts"]
        return {mount["Destination"]: mount["RW"] for mount in found if "/run/secrets" not in mount["Destination"]}

    def left(self) -> list[str]:
        """Containers of this test's task that are still there, but for those that failed and are kept."""
        return [container.name for container in self.listed() if "-try-" not in container.name]
