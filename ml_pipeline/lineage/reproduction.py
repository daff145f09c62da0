"""A model made again from what is known of how it was made, to prove that it can be."""

from __future__ import annotations

import datetime as dt
import math
import platform
import tempfile
from typing import Any, Literal, NamedTuple

import msgspec

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.artifacts.datasets import MANIFEST, Dataset
from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.artifacts.registry import Model, Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.artifacts.versions import system_version
from ml_pipeline.contract import Mode, StageRequest
from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import NotFoundError, PipelineError, StageError
from ml_pipeline.handlers.snapshots import history, sent_folder, snapshots
from ml_pipeline.lineage.cause import Cause, system_causes
from ml_pipeline.lineage.leaves import leaves
from ml_pipeline.run import default_run_id, run
from ml_pipeline.templates import Parameters

Outcome = Literal["same bytes", "close", "different"]
STAGES = ("ingest", "prepare", "combine", "split", "train")
RELATIVE = 1e-9
"""How far numbers may be apart that another kind of processor, which rounds otherwise, has computed."""
ROUNDED = 1e-15
"""Numbers this close are the same: what is exactly 0 here may be a little more elsewhere."""


class Reproduction(msgspec.Struct, frozen=True, kw_only=True):
    """The model was trained again, here and today.

    `outcome`: `same bytes`, or all numbers are `close` (equal to 1e-9), or `different`. `largest_difference` is
    relative, and `at` names the parameter that has it. `causes` is what differs between then and today: pipeline.yaml
    was taken as it was then, code and packages are those of today.
    """

    version: str
    outcome: Outcome
    largest_difference: float
    at: str
    processor: str
    causes: list[Cause]


class Distance(NamedTuple):
    """How far two sets of parameters are apart, relatively, and where; endless where they hold other things."""

    size: float
    at: str


def reproduce(use_case: UseCase, registry: Registry, version: str) -> Reproduction:
    """Train a model again in a store of its own, as of then, from the same snapshots; nothing stored is touched.

    One that went on from another goes on from it again.

    Raises:
        NotFoundError: a snapshot that it was trained on, or the model it went on from, is gone.
        StageError: what is here today cannot train it.
    """
    model, stored = registry.model(version), registry.proved(version)
    today = system_causes(model.system, system_version(use_case, {}).components)
    with tempfile.TemporaryDirectory(prefix="ml-pipeline-reproduce-") as folder:
        room = Store(folder).within(use_case.config.name)
        _copy_snapshots(registry.store, room, model)
        if model.start:
            _copy_start(registry, Registry(room), model.start)
        made = _train(use_case.config.name, model, folder, today)
        again = Registry(room).proved(made)
    far = distance(parameters_file.load(stored), parameters_file.load(again))
    outcome: Outcome = "same bytes" if stored == again else "close" if far.size <= RELATIVE else "different"
    return Reproduction(
        version=version,
        outcome=outcome,
        largest_difference=far.size,
        at=far.at,
        processor=platform.machine(),
        causes=today,
    )


def distance(stored: Parameters, again: Parameters) -> Distance:
    """The largest difference of two numbers, relative to the larger one.

    The report on the fit does not count: its gradient is nothing but rounding.
    """
    old, new = dict(leaves(_learnt(stored))), dict(leaves(_learnt(again)))
    if other := sorted(old.keys() ^ new.keys()):
        return Distance(math.inf, other[0])
    apart = [Distance(_apart(value, new[name]), name) for name, value in old.items()]
    largest = max(apart, key=lambda own: own.size, default=Distance(0.0, ""))
    return largest if largest.size else Distance(0.0, "")


def _learnt(parameters: Parameters) -> dict[str, Any]:
    estimator = {key: value for key, value in parameters.get("estimator", {}).items() if key != "fit"}
    return {**parameters, "estimator": estimator}


def _apart(old: Any, new: Any) -> float:
    if old == new:
        return 0.0
    if not isinstance(old, int | float) or not isinstance(new, int | float):
        return math.inf
    apart = abs(old - new)
    return 0.0 if apart <= ROUNDED else apart / max(abs(old), abs(new))


def _train(name: str, model: Model, store: str, today: list[Cause]) -> str:
    """The version that the training of today gives it."""
    as_of = dt.datetime.fromisoformat(model.as_of)
    configuration = {key: value for key, value in model.system["configuration"].items() if key != "name"}
    mode: Mode = "learning" if model.start else "offline"
    request = StageRequest(name, mode, STAGES, default_run_id(mode, as_of), as_of, store, parameters=configuration)
    try:
        return run(request)[-1].model_version
    except PipelineError as error:
        names = ", ".join(f"{cause.kind} {cause.name}" for cause in today[:10])
        raise StageError(
            "the model cannot be trained again here",
            given=str(error),
            expected=f"what it was made by; today differs: {names}" if today else "what it was made by",
            do="check out the code and install the packages that model.yaml names",
        ) from error


def _copy_snapshots(room: Store, target: Store, model: Model) -> None:
    """The snapshots that were known at the model's as-of, each part where it lies, proved to be what was written."""
    as_of = dt.datetime.fromisoformat(model.as_of)
    sources = model.system["configuration"]["sources"]
    known = [snapshot for source in sources for snapshot in history(room, source, as_of)]
    if model.start:  # what it and those before it learnt of revised records, and of those that were sent
        folders = [name for source in sources for name in (source, sent_folder(source))]
        stored = [snapshot for folder in folders for snapshot in snapshots(room, folder, as_of)]
        known += [snapshot for snapshot in stored if snapshot.manifest.digest in model.snapshots]
    if lost := set(model.snapshots) - {snapshot.manifest.digest for snapshot in known}:
        raise NotFoundError(
            "not all snapshots are there that the model was trained on",
            given=f"{len(lost)} of {len(model.snapshots)} are missing, such as the one with digest {min(lost)}",
            expected=f"all of them in {room.address('raw/')}",
            do="restore them",
        )
    for snapshot in known:
        _copy(snapshot, target)


def _copy_start(registry: Registry, target: Registry, version: str) -> None:
    """The model that it went on from, as the champion that it was."""
    start = registry.model(version)
    target.add(start, registry.proved(version))
    target.promote(
        Promotion(
            number=1,
            to=version,
            previous="",
            actor="reproduction",
            reason="It was champion then.",
            run="",
            as_of=start.as_of,
            evidence="",
        )
    )


def _copy(snapshot: Dataset, target: Store) -> None:
    for part in snapshot.manifest.parts:
        key = part.elsewhere or f"{snapshot.key}/{part.name}"
        target.put(key, snapshot.store.verified(key, part.sha256))
    key = f"{snapshot.key}/{MANIFEST}"
    target.put(key, snapshot.store.get(key))
