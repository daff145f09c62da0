"""Stages of one service pass data in memory; what people and later runs look at is stored, and nothing differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result

from ml_pipeline import run as run_module
from ml_pipeline.artifacts.datasets import MANIFEST
from ml_pipeline.contract import Artifact, Mode, StageResult, run_key
from ml_pipeline.discovery import find
from ml_pipeline.errors import UsageError
from ml_pipeline.handlers.train import TrainHandler
from ml_pipeline.lineage.rejects import rejects
from ml_pipeline.lineage.reproduction import reproduce
from ml_pipeline.run import default_run_id
from ml_pipeline.stages import tasks

if TYPE_CHECKING:
    from tests.conftest import Parcels

OFFLINE = ["ingest", "prepare", "combine", "split", "train", "evaluate", "promote"]
ONLINE = ["ingest", "prepare", "combine", "serve", "postprocess"]
ALL_IN_ONE = {"services.offline": {"all_offline": OFFLINE}, "services.online": {"all_online": ONLINE}}
THREE = {
    "services.offline": {"preprocess": OFFLINE[:4], "learn": ["train"], "judge": ["evaluate", "promote"]},
    "services.online": {"preprocess": ONLINE[:3], "score": ONLINE[3:]},
}
INTERIM = {"combined", "train", "validation", "test"}
MODES: tuple[Mode, Mode] = ("offline", "online")


def left(results: Mapping[str, StageResult]) -> list[Artifact]:
    return [artifact for result in results.values() for artifact in result.artifacts]


def passed(results: Mapping[str, StageResult]) -> set[str]:
    """Names of what stayed in memory."""
    return {artifact.name for artifact in left(results) if artifact.passed}


def by_tasks(parcels: Parcels, mode: Mode, parameters: dict[str, Any]) -> dict[str, StageResult]:
    """A run as a DAG orders it: a process for each task."""
    results: dict[str, StageResult] = {}
    for task in tasks(find("parcels", parameters).config, mode):
        results |= parcels.run(mode, *(step.name for step in task.steps), parameters=parameters)
    return results


@pytest.mark.parametrize("services", [THREE, ALL_IN_ONE], ids=["three", "one"])
def test_whatever_the_services_everything_has_the_same_content(parcels: Parcels, services: Any) -> None:
    grouped = {mode: by_tasks(parcels, mode, services) for mode in MODES}
    parcels.store += "-of-single-stages"
    for mode in MODES:
        alone = parcels.run(mode)
        for step, result in alone.items():
            ours = [(own.name, own.digest, own.rows, own.bytes) for own in grouped[mode][step].artifacts]
            assert ours == [(own.name, own.digest, own.rows, own.bytes) for own in result.artifacts], step
            assert grouped[mode][step].system_version == result.system_version
        assert not passed(alone)


def test_what_only_the_service_reads_stays_in_memory_and_the_rest_is_stored(parcels: Parcels) -> None:
    offline, online = (parcels.run(mode, parameters=ALL_IN_ONE) for mode in MODES)
    assert passed(offline) >= INTERIM
    assert {name.partition(".")[0] for name in passed(offline)} - INTERIM == {"prepared", "history"}
    assert passed(online) & {"combined", "predictions", "scored"} == {"combined"}
    for artifact in [*left(offline), *left(online)]:
        if artifact.key.startswith(("data/", "raw/")):
            assert parcels.room.exists(f"{artifact.key}/{MANIFEST}") is not artifact.passed
    assert {key.split("/")[1] for key in parcels.objects("data/")} == {
        artifact.key.split("/")[1] for artifact in left(online) if artifact.name in ("predictions", "scored")
    }


def test_what_another_service_reads_is_stored(parcels: Parcels) -> None:
    offline = by_tasks(parcels, "offline", THREE)
    assert "combined" in passed(offline)
    assert not passed(offline) & {"train", "validation", "test"}
    assert "combined" not in passed(by_tasks(parcels, "online", THREE))


def test_a_dataset_that_set_records_aside_is_stored_with_them(parcels: Parcels) -> None:
    parcels.add("parcels", "p9000,c1,north,-3,2024-01-03T10:00:00Z,0")
    results = parcels.run("offline", parameters=ALL_IN_ONE)
    prepared = [artifact for artifact in left(results) if artifact.name == "prepared.parcels"]
    assert [artifact.passed for artifact in prepared] == [False]
    assert "combined" in passed(results)
    (found,) = rejects(parcels.room)
    assert (found.stage, found.reason, found.count) == ("prepare.parcels", "the weight is negative", 1)
    assert found.records[0]["parcel_id"] == "p9000"


def test_what_goes_beyond_the_room_is_stored(parcels: Parcels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "PASSING", 0.0)
    results = parcels.run("offline", parameters=ALL_IN_ONE)
    assert not passed(results)
    assert {result.status for result in results.values()} == {"done"}


def test_what_nobody_reads_any_more_makes_room(parcels: Parcels, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {each.name: each.key for each in left(parcels.run("offline")) if each.name in INTERIM | {"prepared.traffic"}}
    room = sum(len(parcels.room.get(key)) for folder in made.values() for key in parcels.room.keys(folder))
    monkeypatch.setattr(run_module, "PASSING", 1.2 * room / find("parcels").config.resources.memory_bytes)
    parcels.store += "-of-one-service"
    results = parcels.run("offline", parameters=ALL_IN_ONE)
    assert INTERIM - passed(results) == set()


def test_a_second_run_makes_again_what_passed_and_reuses_the_rest(parcels: Parcels) -> None:
    first, again = (parcels.run("offline", parameters=ALL_IN_ONE) for _ in range(2))
    status = {step: result.status for step, result in again.items()}
    assert {status[step] for step in ("ingest.parcels", "train", "evaluate", "promote")} == {"reused"}
    assert {status[step] for step in ("prepare.parcels", "combine", "split")} == {"done"}
    assert [own.digest for own in left(first)] == [own.digest for own in left(again)]


def test_what_was_stored_before_is_reused(champion: Parcels) -> None:
    results = champion.run("offline", parameters=ALL_IN_ONE)
    assert {result.status for result in results.values()} == {"reused"}
    assert not passed(results)


def test_a_run_that_was_killed_on_its_way_goes_on_when_it_is_ordered_again(
    parcels: Parcels, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TrainHandler, "fit", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            parcels.run("offline", parameters=ALL_IN_ONE)
    assert parcels.room.exists(run_key(default_run_id("offline", parcels.as_of), "split"))
    assert not parcels.objects("data/")
    with pytest.raises(UsageError, match=r"train needs 'train', which was passed on in memory and is gone"):
        parcels.run("offline", "train", parameters=ALL_IN_ONE)
    results = parcels.run("offline", parameters=ALL_IN_ONE)
    assert results["promote"].status == "done"


def test_a_part_of_a_service_stores_what_the_rest_will_read(parcels: Parcels) -> None:
    some = parcels.run("offline", "ingest", "prepare", "combine", parameters=ALL_IN_ONE)
    assert "combined" not in passed(some)
    assert "prepared.traffic" in passed(some)
    assert parcels.run("offline", *OFFLINE[3:], parameters=ALL_IN_ONE)["promote"].status == "done"


def test_the_model_of_one_service_is_made_again(parcels: Parcels) -> None:
    parcels.replace("pipeline.yaml", "quarantine:", f"services: {{offline: {{everything: {OFFLINE}}}}}\nquarantine:")
    version = parcels.run("offline")["train"].model_version
    found = reproduce(find("parcels"), parcels.registry, version)
    assert (found.outcome, found.causes) == ("same bytes", [])


def test_every_command_that_shows_a_run_works(parcels: Parcels, command: Callable[..., Result]) -> None:
    groups = f"services: {{offline: {{all_offline: {OFFLINE}}}, online: {{all_online: {ONLINE}}}}}\n"
    parcels.replace("pipeline.yaml", "quarantine:", f"{groups}quarantine:")
    for mode in MODES:
        parcels.run(mode)
    parcels.run("offline", parameters={"seed": 3})
    one, other = parcels.registry.versions()
    for words in (
        ["runs", "parcels"],
        ["rejects", "parcels"],
        ["summary", "parcels"],
        ["models", "list", "parcels"],
        ["models", "show", "parcels", "champion"],
        ["models", "diff", "parcels", one, other],
        ["models", "reproduce", "parcels", one],
    ):
        told = command(*words, "--store", parcels.store)
        assert told.exit_code == 0, told.output
    assert "memory:parcels/data/" in command("runs", "parcels", "--store", parcels.store).output
