"""Each check of the campaign finds what it is for, and nothing in a store that is as it must be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ml_pipeline.artifacts.datasets import MANIFEST
from ml_pipeline.artifacts.promotion_log import now
from ml_pipeline.contract import StageResult
from ml_pipeline.stages import tasks
from tests.conftest import AS_OF, Parcels, installed
from tests.faults import checks
from tests.faults.night import Ended, Order, Run

Results = Mapping[str, StageResult]


@pytest.fixture(scope="module")
def scored(template: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Results]]:
    """A store in which parcels is trained, and has scored a day; and what the scoring told."""
    store = shutil.copytree(trained, tmp_path_factory.mktemp("scored") / "store")
    with installed(template):
        yield store, Parcels(template, str(store)).run("online", as_of=AS_OF)


@pytest.fixture
def day(scored: tuple[Path, Results], template: Path, tmp_path: Path) -> Iterator[tuple[Parcels, Results]]:
    """A copy of it, to be spoilt."""
    with installed(template):
        yield Parcels(template, str(shutil.copytree(scored[0], tmp_path / "store"))), scored[1]


def test_nothing_is_wrong_with_a_store_that_nothing_has_struck(day: tuple[Parcels, Results]) -> None:
    parcels, results = day
    assert not [*checks.half_visible(parcels.room)]
    assert not [*checks.leftovers(parcels.room)]
    assert not [*checks.champions(parcels.room, parcels.registry.champion())]
    assert not [*checks.predictions(parcels.room, "parcel_id")]
    assert not [*checks.untrue(parcels.room, [_green(parcels, results)])]


def test_a_part_that_is_not_what_was_written_is_found(day: tuple[Parcels, Results]) -> None:
    parcels, results = day
    part = next(key for key in parcels.objects(results["serve"].artifacts[0].key) if key.endswith(".parquet"))
    parcels.room.put(part, parcels.room.get(part)[:-9])
    (found,) = checks.half_visible(parcels.room)
    assert "not what was written" in found


def test_a_part_without_a_manifest_and_a_model_that_is_not_whole_are_found(day: tuple[Parcels, Results]) -> None:
    parcels, results = day
    stray = f"{results['serve'].artifacts[0].key}/part-00001-000000000000.parquet"
    parcels.room.put(stray, b"of a writer that was killed")
    parcels.room.put("models/0123456789abcdef/parameters.yaml", b"of another one")
    assert [*checks.leftovers(parcels.room)] == [stray, "models/0123456789abcdef/parameters.yaml"]


def test_a_second_promotion_is_found(day: tuple[Parcels, Results]) -> None:
    parcels, _ = day
    log, champion = parcels.registry.log, parcels.registry.champion()
    last = log.last()
    assert last
    log.append(msgspec.structs.replace(last, number=2, at=now()))
    assert len([*checks.champions(parcels.room, champion)]) == 1


def test_a_key_that_was_predicted_twice_is_found(day: tuple[Parcels, Results]) -> None:
    parcels, results = day
    key = results["serve"].artifacts[0].key
    for own in parcels.objects(key):
        parcels.room.put(own.replace(key, "data/another"), parcels.room.get(own))
    (found,) = checks.predictions(parcels.room, "parcel_id")
    assert "more than once" in found


def test_a_green_task_without_its_dataset_is_found(day: tuple[Parcels, Results]) -> None:
    parcels, results = day
    parcels.room.delete(f"{results['serve'].artifacts[0].key}/{MANIFEST}")
    (found,) = checks.untrue(parcels.room, [_green(parcels, results)])
    assert "serve is green without predictions" in found


def test_a_task_that_was_given_up_for_good_is_found(day: tuple[Parcels, Results]) -> None:
    parcels, results = day
    given_up = _green(parcels, results)._replace(outcome=["AirflowSkipException", "nothing to do"])
    assert len([*checks.untrue(parcels.room, [given_up])]) == 1
    tried_again = given_up._replace(outcome=["AirflowException", "the store is away"])
    assert not [*checks.untrue(parcels.room, [tried_again, given_up._replace(outcome=None)])]


def _green(parcels: Parcels, results: Results) -> Ended:
    from ml_pipeline.discovery import find

    (task, *_) = tasks(find("parcels").config, "online")
    steps: dict[str, Any] = {
        name: {
            "status": result.status,
            "artifacts": {
                one.name: {"uri": parcels.room.address(one.key), "digest": one.digest} for one in result.artifacts
            },
        }
        for name, result in results.items()
    }
    return Ended(Order(Run("parcels", "r", "image"), "online", task, 1), {"steps": steps}, 1.0, owes=False)
