"""Prepare: the records of a source cleaned, formatted and enriched; stateless, the same offline and online."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ml_pipeline.artifacts.datasets import Dataset, Reject
from ml_pipeline.chain import REJECTED, split_rejected
from ml_pipeline.columns import Category, Column, Columns, count, take
from ml_pipeline.errors import DataError
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import NO_PARAMETERS, BaseHandler, BaseModel, Parameters


class PrepareHandler(BaseHandler):
    """One prepared dataset for each snapshot, so that a night prepares only what is new."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The source's preparation: a class, or a model with the parameters to start from."""
        return run.use_case.load(run.config.sources[run.step.source].prepare)

    @classmethod
    def serve(cls, model: Any, run: StageRun) -> None:
        """Prepare each snapshot; a derived source is made from all of its origin's at once."""
        origin = run.config.sources[run.step.source].derived
        snapshots = cls.load_data(run)
        run.reused = True
        if origin:
            preparation = run.use_case.load(run.config.sources[origin].prepare)
            prepared = [cls._prepared(preparation, snapshot, origin, run) for snapshot in snapshots]
            cls.store_output(run, [cls._derived(model, prepared, run)])
        else:
            cls.store_output(run, [cls._prepared(model, snapshot, run.step.source, run) for snapshot in snapshots])

    @classmethod
    def load_data(cls, run: StageRun) -> list[Dataset]:
        """The snapshots that hold rows."""
        config = run.config.sources[run.step.source]
        kind = "new" if run.online and config.drives else "raw"
        snapshots = run.datasets(f"{kind}.{config.derived or run.step.source}")
        filled = [snapshot for snapshot in snapshots if snapshot.manifest.rows]
        if not filled:
            raise DataError(
                f"the source {config.derived or run.step.source} has no records",
                given=f"{len(snapshots)} empty snapshots up to {run.request.as_of.isoformat()}",
                do="give a later --as-of, or mend the source",
            )
        return filled

    @classmethod
    def load_params(cls, model: Any, run: StageRun) -> Parameters:
        """What the preparation starts from, where it is a model with settings."""
        return model.parameters if isinstance(model, BaseModel) else NO_PARAMETERS

    @classmethod
    def store_output(cls, run: StageRun, output: list[Dataset]) -> None:
        """Record the prepared datasets, whatever source they were stored under."""
        for dataset in output:
            run.left(dataset, f"prepared.{run.step.source}")

    @classmethod
    def _prepared(cls, model: Any, snapshot: Dataset, source: str, run: StageRun) -> Dataset:
        key = run.key(snapshot.manifest.digest, name=f"prepare.{source}")
        if found := run.stored(key):
            return found
        run.reused = False
        writer = run.writer(key, f"prepared.{source}", run.config.time)
        example: Reject | None = None
        for batch in cls.apply(model, cls.load_params(model, run), snapshot.batches(), run):
            good, bad = split_rejected(batch)
            rejects = rejected_records(bad)
            example = example or (rejects[0] if rejects else None)
            writer.write(good)
            writer.set_aside(rejects)
        run.rows_in += snapshot.manifest.rows
        run.guard(writer.quarantined, snapshot.manifest.rows, example)
        return writer.close(run.provenance([snapshot]))

    @classmethod
    def _derived(cls, model: Any, prepared: list[Dataset], run: StageRun) -> Dataset:
        key = run.key([dataset.manifest.digest for dataset in prepared])
        if found := run.stored(key):
            return found
        run.reused = False
        parameters = cls.load_params(model, run)
        history = _together(prepared, parameters.get("reads"))
        run.rows_in += count(history)
        writer = run.writer(key, f"prepared.{run.step.source}")
        writer.write(model.transform(history, parameters))
        return writer.close(run.provenance(prepared))


def rejected_records(bad: Columns) -> list[Reject]:
    """Rows with the reserved column as (reason, record)."""
    reasons = bad.get(REJECTED)
    if not isinstance(reasons, Category):
        return []
    plain = {name: _values(column) for name, column in bad.items() if name != REJECTED}
    return [
        (str(reason), {name: values[row] for name, values in plain.items()}) for row, reason in enumerate(reasons.values())
    ]


def reject_counts(rejects: list[Reject]) -> Mapping[str, int]:
    """How many records per reason."""
    return Counter(reason for reason, _ in rejects)


def _values(column: Column) -> list[Any]:
    return column.values() if isinstance(column, Category) else column.tolist()


def _together(datasets: list[Dataset], names: list[str] | None) -> dict[str, Column]:
    from ml_pipeline.columns import concat

    return take(concat([dataset.columns(names) for dataset in datasets]), slice(None))
