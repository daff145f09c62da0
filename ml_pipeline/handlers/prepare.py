"""Prepare: the records of a source cleaned, formatted and enriched; stateless, the same offline and online."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.columns import Columns, concat, take
from ml_pipeline.data.conform import arrow_type
from ml_pipeline.data.leaks import leaks
from ml_pipeline.data.rejects import set_apart
from ml_pipeline.errors import DataError, SchemaError
from ml_pipeline.handlers import unlearnt
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import NO_PARAMETERS, BaseHandler, BaseModel, Parameters

JUDGED = 2000
"""Records on which it is tried whether the truth gets through a preparation."""


class Job(NamedTuple):
    """One prepared dataset: what it is made from, the names it goes by, and the dataset once it is stored."""

    inputs: tuple[Dataset, ...]
    key: str
    names: tuple[str, ...]
    stored: Dataset | None


class PrepareHandler(BaseHandler):
    """One prepared dataset for each snapshot, so that a night prepares only what is new; a derived source has one."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The source's preparation: a class, or a model with the parameters to start from."""
        return run.use_case.load(run.config.sources[run.step.source].prepare)

    @classmethod
    def load_data(cls, run: StageRun) -> list[Job]:
        """The snapshots that hold rows; for a derived source all of its origin's history at once."""
        source = run.step.source
        origin = run.config.sources[source].derived
        if origin:
            return [_job(run, run.datasets(f"history.{origin}"), (f"prepared.{source}",))]
        named: dict[str, tuple[Dataset, tuple[str, ...]]] = {}
        for name in sorted(run.step.writes):
            for snapshot in _inputs(run, name):
                _, names = named.get(snapshot.key, (snapshot, ()))
                named[snapshot.key] = snapshot, (*names, name)
        return [_job(run, [snapshot], names) for snapshot, names in named.values()]

    @classmethod
    def is_stored(cls, run: StageRun, data: list[Job]) -> bool:
        if any(job.stored is None for job in data):
            return False
        cls.store_output(run, data, ())
        return True

    @classmethod
    def load_params(cls, model: Any, run: StageRun) -> Parameters:
        """What the preparation starts from, where it is a model with settings."""
        return model.parameters if isinstance(model, BaseModel) else NO_PARAMETERS

    @classmethod
    def apply(cls, model: Any, parameters: Parameters, data: list[Job], run: StageRun) -> Iterator[Iterator[Columns]]:
        """For each missing dataset its batches; a derived source is one batch, for groups know no borders."""
        derived = run.config.sources[run.step.source].derived
        missing = [job for job in data if job.stored is None]
        if missing and not derived:
            _check_leaks(run, model, missing[0])
        for job in data:
            if job.stored is None:
                batches = [lambda job=job: _whole(job, parameters)] if derived else job.inputs[0].batches()
                yield run.engine.map(lambda batch: model.transform(batch, parameters), batches)

    @classmethod
    def store_output(cls, run: StageRun, data: list[Job], output: Any) -> None:
        """Write what is missing."""
        made = iter(output)
        for job in data:
            dataset = job.stored or _write(run, job, next(made))
            for name in job.names:
                run.left(dataset, name)


def _inputs(run: StageRun, name: str) -> list[Dataset]:
    """The snapshots that go into what is left under a name."""
    kind, _, source = name.partition(".")
    if kind == "learnt":
        return unlearnt.learnt(run, run.registry.model(unlearnt.start(run)))
    new = f"new.{source}"
    return _filled(run, new if kind == "prepared" and new in run.step.reads else f"raw.{source}")


def _filled(run: StageRun, name: str) -> list[Dataset]:
    snapshots = run.datasets(name)
    _check_types(run, snapshots)
    filled = [snapshot for snapshot in snapshots if snapshot.manifest.rows]
    if not filled:
        raise DataError(
            f"the source {run.step.source} has no records",
            given=f"{len(snapshots)} empty snapshots up to {run.request.as_of.isoformat()}",
            do="give a later --as-of, or mend the source",
        )
    return filled


def _check_leaks(run: StageRun, model: Any, job: Job) -> None:
    """Nothing but the label may follow from what is known only together with it: some records show it."""
    source = run.config.sources[run.step.source]
    if run.online or not source.truth:
        return
    some = take(job.inputs[0].batches()[0](), slice(0, JUDGED))
    if found := leaks(model, some, source.truth, run.config.label):
        raise SchemaError(
            f"the preparation of {run.step.source} lets the truth through",
            given=", ".join(found),
            expected=f"of {', '.join(source.truth)} nothing but {run.config.label}, which they are known with",
            do="do not keep these columns; what is made of the truth is not known when a row is scored",
        )


def _check_types(run: StageRun, snapshots: list[Dataset]) -> None:
    """A snapshot is as sources.py was when it was made, and stays so."""
    source = run.step.source
    types = run.use_case.load(run.config.sources[source].reader).types
    wanted = {name: str(arrow_type(kind, source)) for name, kind in types.items()}
    for snapshot in snapshots:
        held = {name: snapshot.manifest.columns.get(name, "missing") for name in wanted}
        if other := [name for name in wanted if held[name] != wanted[name]]:
            raise SchemaError(
                f"sources.py now wants the column {other[0]!r} of {source} otherwise than it was stored",
                given=f"{held[other[0]]} in the snapshot {snapshot.key}",
                expected=wanted[other[0]],
                do=f"`ml-pipeline forget {run.config.name} {source}`, and the next run reads all of it again",
            )


def _job(run: StageRun, inputs: list[Dataset], names: tuple[str, ...]) -> Job:
    key = run.key([dataset.manifest.digest for dataset in inputs])
    return Job(tuple(inputs), key, names, run.stored(key))


def _whole(job: Job, parameters: Parameters) -> Columns:
    return concat([dataset.columns(parameters.get("columns")) for dataset in job.inputs])


def _write(run: StageRun, job: Job, batches: Iterator[Columns]) -> Dataset:
    writer = run.writer(job.key, f"prepared.{run.step.source}", *job.names)
    example = None
    for batch in batches:
        good, rejects = set_apart(batch)
        example = example or (rejects[0] if rejects else None)
        writer.write(good)
        writer.set_aside(rejects)
    rows = sum(dataset.manifest.rows for dataset in job.inputs)
    run.rows_in += rows
    if not unlearnt.of_sent(run):
        run.guard(writer.quarantined, rows, example)
    if not run.config.sources[run.step.source].derived:
        left_out = rows - writer.rows - sum(writer.quarantined.values())
        run.metrics["left_out"] = run.metrics.get("left_out", 0) + left_out
    return run.finish(writer, job.inputs)
