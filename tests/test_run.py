"""A request in, results out: what every door does when it calls `run`."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ml_pipeline.contract import StageResult, run_key
from ml_pipeline.discovery import find
from ml_pipeline.errors import ChainError, ConfigError, DataError, UsageError
from ml_pipeline.run import default_run_id, handler_of, run
from ml_pipeline.stages import STAGES, steps
from ml_pipeline.templates import BaseHandler

if TYPE_CHECKING:
    from tests.conftest import Parcels

PASSING = re.compile(rb"^at: .*", re.MULTILINE)
"""Of a promotion: when it was."""


def test_offline_then_online_every_stage_does_its_part(parcels: Parcels) -> None:
    offline, online = parcels.run("offline"), parcels.run("online")
    assert [*offline] == [
        "ingest.parcels", "ingest.traffic", "ingest.customers", "prepare.parcels", "prepare.traffic",
        "prepare.customers", "prepare.late_by_depot", "combine", "split", "train", "evaluate", "promote",
    ]  # fmt: skip
    assert {result.status for result in offline.values()} == {"done"}
    assert [*online][-3:] == ["combine", "serve", "postprocess"]
    assert online["postprocess"].status == "done"
    assert online["postprocess"].rows_out == online["combine"].rows_in > 0
    assert online["serve"].model_version == offline["train"].model_version == parcels.registry.champion()


def test_the_result_of_each_stage_is_left_in_the_store_as_it_is_returned(champion: Parcels) -> None:
    for step, result in champion.run("online").items():
        content = champion.room.get(run_key(default_run_id("online", champion.as_of), step))
        assert msgspec.json.decode(content, type=StageResult) == result
        assert (result.use_case, result.mode, result.as_of) == ("parcels", "online", champion.as_of)
        assert result.peak_memory_bytes > 10 << 20


def test_what_a_stage_read_is_what_the_stages_before_it_left(champion: Parcels) -> None:
    results = champion.run("offline")
    left = {artifact for result in results.values() for artifact in result.artifacts}
    assert all(set(result.reads) <= left for result in results.values())
    assert {artifact.name for artifact in results["combine"].reads} == {
        "prepared.parcels", "prepared.traffic", "prepared.customers", "prepared.late_by_depot",
    }  # fmt: skip


def test_a_second_run_finds_everything_done(champion: Parcels) -> None:
    champion.run("online")
    before = champion.objects("data/")
    for mode in ("offline", "online"):
        assert {result.status for result in champion.run(mode, run_id="again").values()} == {"reused"}
    assert champion.objects("data/") == before


def test_a_reused_stage_names_the_same_artifacts(champion: Parcels) -> None:
    first, again = champion.run("online"), champion.run("online")
    assert [result.artifacts for result in first.values()] == [result.artifacts for result in again.values()]


def test_two_stores_hold_the_same_content(parcels: Parcels, trained: Path) -> None:
    parcels.run("offline")
    ours, theirs = _contents(Path(parcels.store)), _contents(trained)
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if ours[key] != theirs[key]] == []


def test_stages_one_by_one_leave_what_a_whole_run_leaves(parcels: Parcels, trained: Path) -> None:
    for step in steps(find("parcels").config, "offline"):
        (result,) = run(parcels.request("offline", step.name))
        assert result.status == "done"
    assert _contents(Path(parcels.store)) == _contents(trained)


def test_force_does_again_what_is_stored_and_gets_the_same(champion: Parcels) -> None:
    before = _contents(Path(champion.store))
    results = champion.run("offline", "combine", "split", "train", "evaluate", force=True)
    assert {result.status for result in results.values()} == {"done"}
    after = _contents(Path(champion.store))
    assert [key for key in before if after[key] != before[key] and not key.endswith("metrics.yaml")] == []
    assert after.keys() == before.keys()


def test_force_replaces_what_was_spoilt(champion: Parcels) -> None:
    combined = champion.dataset(champion.run("offline"), "combined")
    part = Path(champion.store, "parcels", combined.key, combined.manifest.parts[0].name)
    good, _ = part.read_bytes(), part.write_bytes(b"spoilt")
    champion.run("offline", "combine", force=True)
    assert part.read_bytes() == good


def test_a_parameter_replaces_a_key_of_the_configuration(champion: Parcels) -> None:
    before = champion.run("offline", "split")["split"]
    after = champion.run("offline", parameters={"split.test": "3d", "evaluate.floors": {}})["split"]
    assert after.status == "done"
    assert after.system_version != before.system_version
    rows = {artifact.name: artifact.rows for artifact in after.artifacts}
    assert rows["test"] < {artifact.name: artifact.rows for artifact in before.artifacts}["test"]


def test_a_parameter_that_is_no_key_is_named(parcels: Parcels) -> None:
    with pytest.raises(ConfigError, match=r"the parameter 'split\.tset' of parcels: 'tset' is not a key here"):
        parcels.run("offline", parameters={"split.tset": "3d"})


def test_a_stage_of_the_other_mode_is_refused(parcels: Parcels) -> None:
    with pytest.raises(UsageError, match="online has no stage 'train' in the use case parcels"):
        parcels.run("online", "train")


def test_a_stage_whose_input_was_not_made_says_so(parcels: Parcels) -> None:
    with pytest.raises(UsageError, match=r"combine needs 'prepared\.parcels', which this run has not made yet"):
        parcels.run("offline", "combine")


def test_a_failing_step_leaves_the_results_before_it_and_none_of_its_own(parcels: Parcels) -> None:
    parcels.replace("models.py", "delay >= 30)", "delay[:-1] >= 30)")
    with pytest.raises(ChainError, match="link 'late' failed: ValueError"):
        parcels.run("offline")
    assert parcels.visible() == [
        "ingest.customers", "ingest.parcels", "ingest.traffic", "raw.customers", "raw.parcels", "raw.traffic",
    ]  # fmt: skip


def test_after_the_code_is_mended_the_run_goes_on_from_there(parcels: Parcels) -> None:
    parcels.replace("models.py", "delay >= 30)", "delay[:-1] >= 30)")
    with pytest.raises(ChainError):
        parcels.run("offline")
    parcels.replace("models.py", "delay[:-1] >= 30)", "delay >= 30)")
    statuses = {step: result.status for step, result in parcels.run("offline").items()}
    assert statuses["ingest.parcels"] == "reused"
    assert statuses["promote"] == "done"


def test_a_changed_line_of_code_makes_another_model_of_the_same_snapshots(champion: Parcels) -> None:
    before = champion.registry.champion()
    champion.replace("models.py", "A logistic regression.", "A logistic regression, as before.")
    results = champion.run("offline")
    assert results["ingest.parcels"].status == "reused"
    assert results["prepare.parcels"].status == "done"
    assert results["train"].model_version != before


def test_a_candidate_that_the_verdict_rejects_is_not_promoted(champion: Parcels) -> None:
    parameters = {"evaluate.floors": {"roc_auc": 0.99}}
    results = champion.run("offline", parameters=parameters)
    assert results["evaluate"].status == "done"
    assert results["evaluate"].verdict == champion.registry.metrics(results["train"].model_version)["verdict"]
    assert not results["evaluate"].verdict["passed"]
    assert results["promote"].status == "skipped"
    assert "outside its floor of at least 0.99" in results["promote"].notes[0]
    assert len(champion.registry.promotions()) == 1


def test_without_new_records_a_scoring_run_is_skipped_and_so_is_what_depends_on_it(champion: Parcels) -> None:
    results = champion.run("online", as_of=champion.as_of + dt.timedelta(days=30))
    skipped = {step for step, result in results.items() if result.status == "skipped"}
    assert skipped == {
        "ingest.parcels", "prepare.parcels", "prepare.late_by_depot", "combine", "serve", "postprocess",
    }  # fmt: skip
    assert "the source parcels has no records to score" in results["ingest.parcels"].notes[0]
    assert results["prepare.parcels"].notes == ("ingest.parcels was skipped",)
    assert results["ingest.traffic"].status == "done"


def test_progress_counts_the_batches_of_each_step(champion: Parcels) -> None:
    said: list[Any] = []
    run(champion.request("online"), lambda *told: said.append(told))
    assert ("serve", 1, 1) in said
    assert {name for name, _, _ in said} >= {"prepare.parcels", "combine", "serve", "postprocess"}


def test_the_default_run_is_named_after_mode_and_moment_whatever_the_time_zone() -> None:
    moment = dt.datetime(2024, 2, 5, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    assert default_run_id("online", moment) == "online-20240204T230000Z"


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_row_of_the_table_names_a_handler(stage: Any) -> None:
    assert issubclass(handler_of(stage), BaseHandler)


def test_one_record_in_memory_gets_the_same_bits_as_in_the_batch(
    champion: Parcels, in_memory: Callable[..., Any]
) -> None:
    results = champion.run("online")
    for alone, in_batch in in_memory("parcels", champion.room, results, range(results["postprocess"].rows_out)):
        assert alone == in_batch


def test_a_run_that_fails_at_its_data_changes_no_champion(champion: Parcels) -> None:
    before = champion.registry.champion()
    champion.write("traffic", ["depot,measured_at"])
    with pytest.raises(DataError):
        champion.run("offline", as_of=champion.next_night)
    assert champion.registry.champion() == before


def test_a_store_can_be_moved(champion: Parcels, tmp_path: Path) -> None:
    champion.run("online")
    champion.store = str(shutil.move(champion.store, tmp_path / "elsewhere"))
    assert {result.status for result in champion.run("online").values()} == {"reused"}


def _contents(store: Path) -> dict[str, bytes]:
    """Key -> bytes of all but the results of runs, which say when and where they ran."""
    files = [path for path in (store / "parcels").rglob("*") if path.is_file()]
    own = {path.relative_to(store).as_posix(): path.read_bytes() for path in files}
    return {key: PASSING.sub(b"", content) for key, content in own.items() if "/runs/" not in key}
