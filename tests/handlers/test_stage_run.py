"""Inputs by name, outputs under their fingerprints, and the counts that end in a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ml_pipeline.artifacts.versions import system_version
from ml_pipeline.discovery import find
from ml_pipeline.engines.local import LocalEngine
from ml_pipeline.errors import QuarantineError, UsageError
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.stages import select

if TYPE_CHECKING:
    from tests.conftest import Parcels


def _step(parcels: Parcels, name: str, **more: object) -> StageRun:
    use_case = find("parcels")
    (step,) = select(use_case.config, "offline", [name])
    return StageRun(use_case, step, parcels.request("offline", **more), LocalEngine(1), system_version(use_case, {}))


def test_a_key_follows_from_the_system_the_step_and_what_it_is_made_from(parcels: Parcels) -> None:
    split, combine = _step(parcels, "split"), _step(parcels, "combine")
    keys = [split.key("a"), split.key("a", "train"), split.key("b"), combine.key("a")]
    assert len(set(keys)) == 4
    assert keys[0] == _step(parcels, "split", run_id="another").key("a")
    parcels.replace("models.py", "A logistic", "One logistic")
    assert keys[0] != _step(parcels, "split").key("a")


def test_an_input_is_read_from_the_same_run_only(champion: Parcels) -> None:
    assert _step(champion, "split").dataset("combined").manifest.name == "combined"
    with pytest.raises(UsageError, match="split needs 'combined', which this run has not made yet"):
        _step(champion, "split", run_id="another").dataset("combined")


def test_what_is_stored_does_not_count_where_the_request_forces(champion: Parcels) -> None:
    key = _step(champion, "split").inputs("combined")[0].key
    assert _step(champion, "split").stored(key)
    assert _step(champion, "split", force=True).stored(key) is None
    assert _step(champion, "split").stored("data/nothing") is None


def test_a_dataset_under_two_names_counts_once(champion: Parcels) -> None:
    run = _step(champion, "split")
    dataset = run.dataset("combined")
    dataset.manifest.quarantined["spoilt"] = 3
    run.left(dataset)
    run.left(dataset, "history")
    assert [artifact.name for artifact in run.artifacts] == ["combined", "history"]
    assert run.quarantined == {"spoilt": 3}


@pytest.mark.parametrize(("bad", "rows"), [(0, 0), (0, 100), (5, 100), (4, 4)])
def test_few_bad_records_may_pass(parcels: Parcels, bad: int, rows: int) -> None:
    _step(parcels, "combine").guard({"spoilt": bad}, rows, None)


def test_too_many_are_named_with_reasons_and_an_example(parcels: Parcels) -> None:
    with pytest.raises(QuarantineError) as caught:
        _step(parcels, "combine").guard({"few": 2, "many": 1200}, 2000, ("many", {"weight": -1}))
    assert caught.value.what == "combine would set aside 1,202 of 2,000 records (60.1%)"
    assert caught.value.given == "many (1,200), few (2); for example {'weight': -1}"
    assert caught.value.expected == "at most 5%"
