"""What holds of every handler: those that the table of stages names are all there are, and each keeps the rules."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

import ml_pipeline
from ml_pipeline import handlers
from ml_pipeline import run as running
from ml_pipeline.artifacts.versions import system_version
from ml_pipeline.contract import MODES, Mode
from ml_pipeline.data import parquet
from ml_pipeline.discovery import find
from ml_pipeline.engines.local import LocalEngine
from ml_pipeline.handlers.postprocess import PostprocessHandler
from ml_pipeline.handlers.serve import ServeHandler
from ml_pipeline.handlers.split import SplitHandler
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.run import handler_of
from ml_pipeline.stages import STAGES, Stage, Step, steps
from ml_pipeline.templates import SERVE, TRAIN, BaseHandler
from tests.contract.sandbox import years_ago
from tests.contract.subjects import concrete, escaped, unwritten

pytestmark = pytest.mark.long

if TYPE_CHECKING:
    from tests.conftest import Parcels

Objects = dict[str, bytes]
PART = 300
"""Rows of a part, so that there are several to be worked on at once."""
PASSING = re.compile(rb'"(finished|seconds|peak_memory_bytes|uri|store|read|compute|write)": .*|^at: .*', re.MULTILINE)
"""Of a result: when it was, how long it took, and in which store; of a promotion when it was."""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROWS_PER_PART", PART)


@pytest.fixture
def finished(parcels: Parcels) -> Parcels:
    """Trained, and scored."""
    parcels.run("offline")
    parcels.run("online")
    return parcels


def objects(parcels: Parcels) -> Objects:
    """All that is stored, by key; of results what does not pass."""
    return {key: PASSING.sub(b"", parcels.room.get(key)) for key in parcels.objects()}


def changed(before: Objects, after: Objects) -> list[str]:
    """Keys of what was added, removed or replaced."""
    return sorted(key for key in {**before, **after} if before.get(key) != after.get(key))


def steps_of(parcels: Parcels) -> Iterator[tuple[Mode, Step]]:
    """All steps of both modes, in running order."""
    config = find("parcels").config
    yield from ((mode, step) for mode in MODES for step in steps(config, mode))


def is_reproducible(parcels: Parcels, mode: Mode, *stages: str) -> None:
    """Stages that are forced leave the same bytes, whatever the clock says and however many workers there are."""
    parcels.run(mode, *stages, force=True)
    before = objects(parcels)
    with years_ago(5), pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "LocalEngine", lambda workers, *rest: LocalEngine(4, 64 << 30))
        results = parcels.run(mode, *stages, force=True)
    assert all(result.finished < dt.datetime.now(dt.UTC) - dt.timedelta(days=365) for result in results.values())
    wrong = [key for key in changed(before, objects(parcels)) if not key.startswith("runs/")]
    assert not wrong, f"{', '.join(stages)} leaves other bytes: {wrong}"


def changes_only_its_own(parcels: Parcels, mode: Mode, step: Step) -> None:
    """A step that is forced leaves what other steps wrote as it was."""
    before = objects(parcels)
    (result,) = parcels.run(mode, step.name, force=True).values()
    own = (f"runs/{result.run_id}/{step.name}/", *(artifact.key for artifact in result.artifacts))
    others = [key for key in changed(before, objects(parcels)) if not key.startswith(own)]
    assert not others, f"{step.name} changes {others}"


def reads_without_writing(parcels: Parcels, mode: Mode, step: Step) -> None:
    """Looking for what is stored finds it, and leaves the store as it was."""
    before, use_case = objects(parcels), find("parcels")
    run = StageRun(use_case, step, parcels.request(mode), LocalEngine(1), system_version(use_case, {}))
    handler = handler_of(step.stage)
    assert handler.is_stored(run, handler.load_data(run)), f"{step.name} does not find what it left"
    wrong = changed(before, objects(parcels))
    assert not wrong, f"{step.name} changes {wrong} while it reads"


def test_the_table_of_stages_names_every_handler() -> None:
    named = {handler_of(stage) for stage in STAGES}
    assert set(concrete(handlers, BaseHandler)) == named
    assert escaped(BaseHandler, {ml_pipeline.__name__}, named) == []


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_handler_has_every_step_of_its_sequence(stage: Stage) -> None:
    assert not unwritten(handler_of(stage)) & {"model", "is_stored", *(TRAIN if stage.trains else SERVE)}


def test_another_store_gets_the_same_bytes(finished: Parcels) -> None:
    before = objects(finished)
    finished.store += "-2"
    with years_ago(5), pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "LocalEngine", lambda workers, *rest: LocalEngine(4, 64 << 30))
        finished.run("offline")
        finished.run("online")
    assert changed(before, objects(finished)) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_forced_run_leaves_the_same_bytes(finished: Parcels, mode: Mode) -> None:
    is_reproducible(finished, mode, *(step.name for step in steps(find("parcels").config, mode)))


def test_a_forced_step_changes_nothing_of_another(finished: Parcels) -> None:
    for mode, step in steps_of(finished):
        changes_only_its_own(finished, mode, step)


def test_reading_writes_nothing(finished: Parcels) -> None:
    for mode, step in steps_of(finished):
        reads_without_writing(finished, mode, step)


@pytest.mark.parametrize("mode", MODES)
def test_a_second_run_reuses_everything(finished: Parcels, mode: Mode) -> None:
    before = objects(finished)
    assert {result.status for result in finished.run(mode).values()} == {"reused"}
    assert [key for key in changed(before, objects(finished)) if not key.startswith("runs/")] == []


# ---- each of these checks fails on a handler that breaks its rule


def extended(handler: type[BaseHandler], step: str, does: Callable[..., None]) -> Any:
    """A step of a handler that does something else besides."""
    original = getattr(handler, step)

    def besides(*given: Any) -> Any:
        does(*given)
        return original(*given)

    return besides


def test_a_handler_that_reads_the_clock_is_found(finished: Parcels, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = PostprocessHandler.apply

    def stamped(*given: Any) -> Iterator[Any]:
        for batch in apply(*given):
            yield {**batch, "prediction": batch["prediction"] + dt.datetime.now(dt.UTC).year}

    monkeypatch.setattr(PostprocessHandler, "apply", stamped)
    with pytest.raises(AssertionError, match="postprocess leaves other bytes"):
        is_reproducible(finished, "online", "postprocess")


def test_a_handler_that_touches_its_input_is_found(finished: Parcels, monkeypatch: pytest.MonkeyPatch) -> None:
    def touch(run: StageRun, data: Any, output: Any) -> None:
        run.store.put(f"{data.key}/manifest.yaml", run.store.get(f"{data.key}/manifest.yaml") + b"\n")

    monkeypatch.setattr(SplitHandler, "store_output", extended(SplitHandler, "store_output", touch))
    (split,) = [step for _, step in steps_of(finished) if step.name == "split"]
    with pytest.raises(AssertionError, match=r"split changes .*manifest"):
        changes_only_its_own(finished, "offline", split)


def test_a_handler_that_writes_while_it_reads_is_found(finished: Parcels, monkeypatch: pytest.MonkeyPatch) -> None:
    def note(run: StageRun) -> None:
        run.store.put("notes/serve", b"was here")

    monkeypatch.setattr(ServeHandler, "load_data", extended(ServeHandler, "load_data", note))
    (serve,) = [step for _, step in steps_of(finished) if step.name == "serve"]
    with pytest.raises(AssertionError, match=r"serve changes .*notes/serve.* while it reads"):
        reads_without_writing(finished, "online", serve)


def test_a_handler_that_does_not_find_what_it_left_is_found(finished: Parcels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServeHandler, "is_stored", lambda run, data: False)
    (serve,) = [step for _, step in steps_of(finished) if step.name == "serve"]
    with pytest.raises(AssertionError, match="serve does not find what it left"):
        reads_without_writing(finished, "online", serve)
