"""The product in every job: its own handlers, as a stage runs them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.artifacts.versions import system_version
from ml_pipeline.chain import Chain
from ml_pipeline.contract import Mode, StageRequest
from ml_pipeline.discovery import FOLDERS, find
from ml_pipeline.engines.local import LocalEngine
from ml_pipeline.handlers import combine as combine_handler
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.run import handler_of, run
from ml_pipeline.stages import select
from ml_pipeline.templates import Parameters
from tests.benchmarks import data, judging, stored
from tests.benchmarks.judging import Judge, Place, Work

os.environ[FOLDERS] = str(stored.USE_CASES)


def train(place: Place) -> Work:
    """What the stage calls to fit the dense model."""
    return _dense(place)


def train_alone(place: Place) -> Work:
    """The same with one worker."""
    return _dense(place, workers=1)


def train_stage(place: Place) -> Work:
    """The whole stage: the fit, a profile of the rows, and the model in the store."""
    return _stage(place, "offline", "train", lambda _: judging.nothing)


def wide(place: Place) -> Work:
    """What the stage calls to fit the wide model."""

    def work() -> Judge:
        model, parameters = _fit(place.data, "models.Wide")
        return lambda: _held_out(place.data, model, parameters)

    return work


def combine(place: Place) -> Work:
    """The whole stage."""
    return _stage(place, "offline", "combine", lambda files: lambda: judging.joined(files))


def combine_on_disk(place: Place) -> Work:
    """The same, with no room for other sources in memory."""
    combine_handler.IN_MEMORY = 0.0
    return combine(place)


def prepare(place: Place) -> Work:
    """The whole stage."""
    return _stage(place, "offline", "prepare.events", lambda files: lambda: judging.prepared(files))


def score(place: Place) -> Work:
    """The whole stage, with the wide model."""
    return _stage(place, "online", "serve", lambda files: lambda: judging.scored(files, place))


def _dense(place: Place, workers: int | None = None) -> Work:
    def work() -> Judge:
        _, parameters = _fit(place.data, "models.Dense", workers)
        learnt = parameters["estimator"]
        return lambda: judging.fitted(place, learnt["bias"], [learnt["coefficients"][name] for name in data.NUMBERS])

    return work


def _fit(folder: Path, name: str, workers: int | None = None) -> tuple[type[Chain], Parameters]:
    """The steps of the train stage that lead to the parameters."""
    request = _request(folder, "offline", "train", {"model": name})
    use_case = find(stored.USE_CASE, request.parameters)
    (step,) = select(use_case.config, "offline", request.stages)
    engine = LocalEngine(workers, use_case.config.resources.memory_bytes)
    own = StageRun(use_case, step, request, engine, system_version(use_case, {}))
    handler = handler_of(step.stage)
    model = handler.model(own)
    return model, handler.fit(model, handler.load_params(model, own), handler.load_data(own), own)


def _stage(place: Place, mode: Mode, step: str, judge: Callable[[list[Path]], Judge]) -> Work:
    """A whole stage, made anew however often it was made before."""
    model = {"model": "models.Wide" if step == "serve" else "models.Dense"}

    def work() -> Judge:
        (result,) = run(_request(place.data, mode, step, model))
        return judge(judging.parts(place.data / stored.USE_CASE / result.artifacts[0].key))

    return work


def _request(folder: Path, mode: Mode, step: str, parameters: dict[str, Any]) -> StageRequest:
    return StageRequest(
        stored.USE_CASE, mode, (step,), mode, stored.AS_OF, str(folder), parameters=parameters, force=True
    )


def _held_out(folder: Path, model: type[Chain], parameters: Parameters) -> dict[str, float]:
    import numpy as np

    room = Store(str(folder)).within(stored.USE_CASE)
    batches = [load() for load in open_dataset(room, "data/held-out").batches()]
    found = [(batch[data.LABEL], model.transform(batch, parameters)) for batch in batches]
    return judging.held_out(*(np.concatenate(each) for each in zip(*found, strict=True)))
