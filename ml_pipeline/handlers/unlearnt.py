"""Which snapshots of the source that drives a model has learnt, and which are new to it.

A model names the snapshots that it was trained on by their digests, those of the models it went on from among them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec

from ml_pipeline.artifacts.datasets import MANIFEST, Dataset
from ml_pipeline.artifacts.registry import Model, Registry
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.errors import NothingToDo, UsageError
from ml_pipeline.handlers.snapshots import moment, sent_folder, snapshot_key, snapshots
from ml_pipeline.handlers.stage_run import StageRun

START = "start"
"""Name of the artifact that is the model to go on from, followed by the source that drives."""


def sent_key(source: str, as_of: dt.datetime) -> str:
    """Where the records lie that were sent to be learnt, rather than ingested."""
    return snapshot_key(sent_folder(source), as_of)


def of_sent(run: StageRun) -> bool:
    """Whether the run learns records that were sent: some were at its very moment. It learns nothing else then."""
    key = sent_key(run.config.driving("learning"), run.request.as_of)
    return run.learning and run.store.exists(f"{key}/{MANIFEST}")


def champion(config: UseCaseConfig, registry: Registry) -> str:
    """The version that learning goes on from.

    Raises:
        UsageError: the use case does not learn online, or has no champion.
    """
    name = config.name
    if not config.learning:
        raise UsageError(
            f"{name} does not learn online",
            given="no `learning` in its pipeline.yaml",
            do="add `learning: {}`, or train offline",
        )
    version = registry.champion()
    if not version:
        raise UsageError(
            "there is no champion to go on from", given=name, do=f"run `ml-pipeline run {name} offline` first"
        )
    return version


def start(run: StageRun) -> str:
    """The version that this run goes on from, as it was when it began."""
    (reads,) = (name for name in run.step.reads if name.startswith(f"{START}."))
    return run.inputs(reads)[0].key.split("/")[1]


def leave(run: StageRun, chain: Sequence[Dataset]) -> None:
    """Leave what is new to the champion, and the champion itself.

    Args:
        run: Of the source that drives.
        chain: The snapshots of all that is known.

    Raises:
        NothingToDo: nothing is new.
        UsageError: what is new cannot be told from what was learnt.
    """
    source, model = run.step.source, run.registry.model(run.model_version)
    new = _sent(run, model) if of_sent(run) else _new(run, chain, model)
    if not any(dataset.manifest.rows for dataset in new):
        raise NothingToDo(
            f"nothing became known of {source} that the champion {model.version} has not learnt",
            given=f"up to {run.request.as_of.isoformat()}",
            do="nothing, if that is expected; else give a later --as-of",
        )
    for dataset in new:
        run.left(dataset, f"new.{source}")
    own = run.registry.artifact(model.version)
    run.artifacts.append(msgspec.structs.replace(own, name=f"{START}.{source}"))


def learnt(run: StageRun, model: Model) -> list[Dataset]:
    """The snapshots that a model has learnt whose keys may come again: of revised records, and of those that were sent.

    Raises:
        UsageError: those of revised records are not there.
    """
    source = run.config.sources[run.step.source]
    received = _stored(run, sent_folder(run.step.source), model)
    if not source.revised:
        return received
    own = _stored(run, run.step.source, model)
    if not own:
        raise _cannot_tell(run, model)
    # Without `known` each snapshot holds all records.
    return [*(own if source.known else own[-1:]), *received]


def _sent(run: StageRun, model: Model) -> list[Dataset]:
    """What was sent since the model's as-of and is not learnt; what was sent before, its sources have told it of."""
    since = dt.datetime.fromisoformat(model.as_of)
    stored = snapshots(run.store, sent_folder(run.step.source), run.request.as_of)
    return [own for own in stored if moment(own) > since and own.manifest.digest not in model.snapshots]


def _new(run: StageRun, chain: Sequence[Dataset], model: Model) -> list[Dataset]:
    new = [dataset for dataset in chain if dataset.manifest.digest not in model.snapshots]
    if len(new) == len(chain) and not run.config.sources[run.step.source].revised:
        raise _cannot_tell(run, model)
    return new


def _cannot_tell(run: StageRun, model: Model) -> UsageError:
    return UsageError(
        f"it cannot be told which records of {run.step.source} the champion {model.version} has learnt",
        given=f"none of the snapshots up to {run.request.as_of.isoformat()} that it was trained on",
        do=f"train offline once: `ml-pipeline run {run.config.name} offline`",
    )


def _stored(run: StageRun, folder: str, model: Model) -> list[Dataset]:
    """The snapshots of a folder that a model was trained on, oldest first."""
    stored = snapshots(run.store, folder, run.request.as_of)
    return [dataset for dataset in stored if dataset.manifest.digest in model.snapshots]
