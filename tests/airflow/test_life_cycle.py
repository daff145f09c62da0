"""Workers, containers and names that come and go: what is left, what is true, what is done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from ml_pipeline_airflow import mounts
from ml_pipeline_airflow.attach import KEEP
from ml_pipeline_airflow.identity import ATTEMPT, TRY
from ml_pipeline_airflow.stage_operator import StageOperator

from ml_pipeline.errors import StageError
from tests.airflow.worker import IMAGE, Worker, until

pytestmark = [pytest.mark.airflow, pytest.mark.containers]


class Bench:
    """One task, its store, its workers, and what is left of its containers."""

    def __init__(
        self,
        operator: Callable[..., StageOperator],
        context: Callable[..., Any],
        left: Callable[[], list[Any]],
        store: Path,
    ) -> None:
        self.operator, self.context, self.left, self.store = operator, context, left, store

    def worker(self, **told: Any) -> Worker:
        return Worker(self.store.parent, {"how": "gated", "image": IMAGE}, told)

    def started(self) -> list[str]:
        """The attempts whose stage came as far as the gate."""
        return sorted(path.name.removeprefix("started-") for path in self.store.glob("demo/started-*"))

    def at_the_gate(self, attempts: int = 1) -> None:
        until(lambda: len(self.started()) == attempts)

    def open(self) -> None:
        (self.store / "demo").mkdir(parents=True, exist_ok=True)
        (self.store / "demo" / "gate").touch()

    def names(self) -> list[str]:
        return [container.name for container in self.left()]


@pytest.fixture
def bench(
    engine: docker.DockerClient,
    operator: Callable[..., StageOperator],
    context: Callable[..., Any],
    left: Callable[[], list[Any]],
    shared: Path,
) -> Iterator[Bench]:
    bench = Bench(operator, context, left, shared)
    yield bench
    bench.open()  # nothing waits longer than its test


def test_the_next_try_takes_over_what_a_killed_worker_left_running(bench: Bench) -> None:
    first = bench.worker()
    bench.at_the_gate()
    first.kill()
    (container,) = bench.left()
    second = bench.worker(try_number=2)
    threading.Timer(0.7, bench.open).start()
    outcome = second.outcome()
    assert outcome["steps"]["split"]["status"] == "done"
    assert bench.started() == ["0198-ti-1"]
    assert container.labels[TRY] == "1"
    assert bench.names() == []


def test_the_next_try_takes_over_what_has_ended_well_meanwhile(bench: Bench) -> None:
    first = bench.worker()
    bench.at_the_gate()
    first.kill()
    bench.open()
    (container,) = bench.left()
    container.wait()
    assert bench.operator().execute(bench.context(try_number=2))["steps"]["split"]["rows_out"] == 3
    assert bench.started() == ["0198-ti-1"]
    assert bench.names() == []


def test_what_has_failed_meanwhile_is_kept_and_done_again(bench: Bench) -> None:
    first = bench.worker()
    bench.at_the_gate()
    first.kill()
    (container,) = bench.left()
    container.kill()
    bench.open()
    assert bench.operator("gated").execute(bench.context(try_number=2))["steps"]["split"]["rows_out"] == 3
    assert bench.started() == ["0198-ti-1", "0198-ti-2"]
    assert bench.names() == [f"{container.name}-try-1"]


@pytest.mark.parametrize("change", [{"force": ["split"]}, {"clear_number": 1}])
def test_what_does_something_else_is_fenced_off_first(bench: Bench, change: dict[str, Any]) -> None:
    first = bench.worker()
    bench.at_the_gate()
    first.kill()
    (old,) = bench.left()
    second = bench.worker(try_number=2, **change)
    bench.at_the_gate(2)
    (new,) = bench.left()
    assert (new.name, new.id != old.id, new.labels[ATTEMPT]) == (old.name, True, "0198-ti-2")
    bench.open()
    assert second.outcome()["steps"]["split"]["status"] == "done"
    assert bench.names() == []


def test_what_its_first_worker_stops_after_it_was_taken_over_is_done_anew(bench: Bench) -> None:
    first = bench.worker()
    bench.at_the_gate()
    second = bench.worker(try_number=2)
    threading.Timer(1.5, first.terminate).start()
    bench.at_the_gate(2)
    assert first.outcome()[0] == "AirflowException"
    bench.open()
    assert second.outcome()["steps"]["split"]["status"] == "done"
    assert bench.started() == ["0198-ti-1", "0198-ti-2"]
    assert bench.names() == []


def test_an_earlier_try_that_wakes_up_late_gives_way(bench: Bench) -> None:
    later = bench.worker(try_number=2)
    bench.at_the_gate()
    with pytest.raises(StageError, match=r"a later try of this task is at work.*the later one counts"):
        bench.operator("gated").execute(bench.context(try_number=1))
    bench.open()
    assert later.outcome()["steps"]["split"]["status"] == "done"


def test_of_two_workers_at_once_one_has_the_container_and_both_its_result(bench: Bench) -> None:
    workers = [bench.worker() for _ in range(2)]
    bench.at_the_gate()
    bench.open()
    outcomes = [worker.outcome() for worker in workers]
    assert any(isinstance(outcome, dict) for outcome in outcomes)
    assert len(bench.started()) == 1
    assert [name for name in bench.names() if "-try-" not in name] == []


def test_a_container_that_somebody_removes_is_said_to_be_removed(bench: Bench) -> None:
    worker = bench.worker()
    bench.at_the_gate()
    (container,) = bench.left()
    container.remove(force=True)
    kind, text = worker.outcome()
    assert kind == "AirflowException"
    assert "Somebody removed the container while it ran" in text
    assert bench.names() == []


def test_a_name_that_is_being_freed_is_waited_for(bench: Bench, engine: docker.DockerClient) -> None:
    first = bench.worker()
    bench.at_the_gate()
    first.kill()
    (old,) = bench.left()
    bench.open()

    def remove() -> None:
        with suppress(docker.errors.APIError):  # which of the two is first is left to chance
            old.remove(force=True)

    removal = threading.Thread(target=remove)
    removal.start()
    context = bench.context(try_number=2, force=["split"])
    assert bench.operator().execute(context)["steps"]["split"]["status"] == "done"
    removal.join()
    assert {*bench.names()} <= {f"{old.name}-try-1"}  # killed before it was removed, it is kept as one that failed


def test_a_killed_task_leaves_nothing_even_where_others_are_kept(bench: Bench) -> None:
    worker = bench.worker()
    bench.at_the_gate()
    worker.terminate()
    kind, text = worker.outcome()
    assert (kind, text) == ("AirflowException", "The task was killed; its stage was stopped.")
    assert bench.names() == []


def test_a_failed_container_is_kept_without_credentials(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    with pytest.raises(AirflowException, match=r"(?s)the stage broke.*: exit code 70.*Its last lines:.*a warning"):
        bench.operator("broken").execute(bench.context(try_number=3))
    (kept,) = bench.left()
    assert kept.name.endswith("-try-3")
    assert kept.status == "exited"
    assert b"a warning" in kept.logs()
    mounted = {mount["Destination"]: Path(mount["Source"]) for mount in kept.attrs["Mounts"]}
    assert not mounted["/run/secrets/aws-credentials"].exists()
    assert bench.operator().execute(bench.context(try_number=4))["steps"]["split"]["status"] == "done"
    assert bench.names() == [kept.name]


def test_nothing_is_kept_where_that_is_asked_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEEP, "0s")
    with pytest.raises(AirflowException, match="exit code 7"):
        bench.operator("dumb").execute(bench.context())
    assert bench.names() == []
    monkeypatch.setenv(KEEP, "for ever")
    with pytest.raises(AirflowFailException, match=r"length of time.*24h|length of time"):
        bench.operator().execute(bench.context())
    assert bench.names() == []


def test_credentials_that_a_killed_worker_left_go_with_its_container(
    bench: Bench, own_tmp: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    first = bench.worker()
    bench.at_the_gate()
    first.kill()
    assert len(mounts.copies()) == 1
    bench.open()
    assert bench.operator("gated").execute(bench.context(try_number=2))["steps"]["split"]["status"] == "done"
    assert mounts.copies() == []
