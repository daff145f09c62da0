"""A request in, a result for each stage out: the one function that every door calls."""

from __future__ import annotations

import datetime as dt
import importlib
import logging
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from ml_pipeline.artifacts.passing_store import PassingStore
from ml_pipeline.artifacts.versions import SystemVersion, system_version
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import Artifact, StageRequest, StageResult, Status, is_later, run_key
from ml_pipeline.discovery import UseCase, find
from ml_pipeline.engines.local import LocalEngine
from ml_pipeline.errors import NotFoundError, NothingToDo, StageError
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.stages import Stage, Step, needs, passing, select
from ml_pipeline.stopwatch import ACTIVITIES, watch
from ml_pipeline.templates import BaseHandler

Progress = Callable[[str, int, int], None]
"""Called with the step's name, batches done and batches in all."""
log = logging.getLogger("ml_pipeline.run")
PASSING = 1 / 8
"""Share of a stage's memory for data on its way between steps, as Parquet: as columns it takes many times that."""


class Order(NamedTuple):
    """What all steps of a request share."""

    request: StageRequest
    use_case: UseCase
    system: SystemVersion
    progress: Progress
    store: PassingStore

    def run_of(self, step: Step, workers: int | None = None) -> StageRun:
        """What the handler of a step is given."""
        memory, tell = self.use_case.config.resources.memory_bytes, self.progress
        engine = LocalEngine(workers, memory, lambda done, of: tell(step.name, done, of))
        made = StageRun(self.use_case, step, self.request, engine, self.system)
        made.work_in(self.store)
        return made


def run(request: StageRequest, progress: Progress = lambda *_: None) -> list[StageResult]:
    """Run the stages a request names, in order, and leave the result of each in the store.

    Data that only steps of one service read passes from one to the next in memory, where all of them are named. A step
    that finds nothing to do is `skipped`, and so are the steps that need what it would have written.

    Raises:
        PipelineError: the first step that fails; the results of those before it stay.
    """
    use_case = find(request.use_case, request.parameters)
    chosen = select(use_case.config, request.mode, request.stages)
    store = _store(use_case.config, request, chosen)
    order = Order(request, use_case, system_version(use_case, request.images), progress, store)
    results: dict[str, StageResult] = {}
    for at, step in enumerate(chosen):
        _make_way(order, step)
        waits_for = [need.name for need in needs(step, chosen) if results[need.name].status == "skipped"]
        results[step.name] = (
            _skipped(order, step, f"{waits_for[0]} was skipped") if waits_for else _run_step(order, step)
        )
        store.release({name for later in chosen[at + 1 :] for name in later.reads})
    return list(results.values())


def default_run_id(mode: str, as_of: dt.datetime) -> str:
    """The same for the same as-of, so that stages run one by one find each other."""
    return f"{mode}-{as_of.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"


def _store(config: UseCaseConfig, request: StageRequest, chosen: Sequence[Step]) -> PassingStore:
    names, room = passing(config, request.mode, chosen), int(PASSING * config.resources.memory_bytes)
    return PassingStore(request.store, f"{config.name}/", names, room)


def _run_step(order: Order, step: Step) -> StageResult:
    began, own = time.perf_counter(), order.run_of(step)
    log.info("%s begins", step.name)
    handler = handler_of(step.stage)
    try:
        call = handler.train if step.stage.trains else handler.serve
        with watch() as spent:
            call(handler.model(own), own)
    except NothingToDo as nothing:
        log.info("%s: %s", step.name, nothing)
        return _skipped(order, step, str(nothing))
    result = _result(own, "reused" if own.reused else "done", time.perf_counter() - began)
    rounded = {activity: round(spent[activity], 3) for activity in ACTIVITIES}
    return _leave(order, step, msgspec.structs.replace(result, spent=rounded))


def _make_way(order: Order, step: Step) -> None:
    """Remove the result of an earlier attempt, so that of attempts at the same time only the first to end leaves one.

    Raises:
        StageError: the result is of a later one.
    """
    key = run_key(order.request.run_id, step.name)
    left = _left_by(order, key)
    if left and is_later(left, order.request.attempt):
        raise StageError(
            f"a later try of {step.name} has left its result already",
            given=f"try {order.request.attempt}, and the result of {left}",
            do="nothing: the later one counts",
        )
    if left:
        order.store.delete(key)


def _left_by(order: Order, key: str) -> str:
    """The attempt whose result is there; empty where there is none that can be read."""
    try:
        return msgspec.json.decode(order.store.get(key), type=StageResult).attempt
    except NotFoundError:
        return ""
    except msgspec.MsgspecError:
        return "one that cannot be read"


def handler_of(stage: Stage) -> type[BaseHandler]:
    """The handler that a row of the table names."""
    module, _, name = stage.handler.partition(":")
    found: type[BaseHandler] = getattr(importlib.import_module(f"ml_pipeline.handlers.{module}"), name)
    return found


def _skipped(order: Order, step: Step, why: str) -> StageResult:
    result = _result(order.run_of(step, workers=1), "skipped", 0.0)
    return _leave(order, step, msgspec.structs.replace(result, notes=(why,)))


def _result(own: StageRun, status: Status, seconds: float) -> StageResult:
    request = own.request
    return StageResult(
        use_case=request.use_case, mode=request.mode, stage=own.step.name, run_id=request.run_id, as_of=request.as_of,
        attempt=request.attempt, status=status, system_version=own.system.digest, reads=_distinct(own.reads),
        artifacts=tuple(own.artifacts), rows_in=own.rows_in, rows_out=_rows(own.artifacts),
        quarantined=dict(own.quarantined), finished=dt.datetime.now(dt.UTC), seconds=round(seconds, 3),
        peak_memory_bytes=_peak_memory(), metrics=own.metrics, verdict=own.verdict, model_version=own.model_version,
        synthetic=tuple(sorted(own.synthetic)), notes=tuple(own.notes),
    )  # fmt: skip


def _leave(order: Order, step: Step, result: StageResult) -> StageResult:
    content = msgspec.json.format(msgspec.json.encode(result), indent=2)
    key = run_key(order.request.run_id, step.name)
    if not order.store.create(key, content) and (left := _left_by(order, key)) != result.attempt:
        raise StageError(
            f"another try of {step.name} has left its result meanwhile",
            given=f"try {result.attempt}, and the result of {left}",
            do="nothing, if the other one is at work; else run it again",
        )
    aside = f", {sum(result.quarantined.values()):,} set aside" if result.quarantined else ""
    rows = f"{result.rows_in:,} rows in, {result.rows_out:,} out"
    made_up = f", synthetic records of {', '.join(result.synthetic)}" if result.synthetic else ""
    log.info("%s %s: %s%s%s, %.2f s", step.name, result.status, rows, aside, made_up, result.seconds)
    return result


def _rows(artifacts: list[Artifact]) -> int:
    """Each dataset once, whatever number of names it goes by."""
    return sum({artifact.key: artifact.rows for artifact in artifacts}.values())


def _distinct(artifacts: list[Artifact]) -> tuple[Artifact, ...]:
    return tuple(dict.fromkeys(artifacts))


def _peak_memory() -> int:
    """Of this process so far, in bytes; the system counts in KiB, on macOS in bytes."""
    peak: Any = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)
