"""Combine: the other sources joined to the driving one, each as known at the moment of prediction."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ml_pipeline.artifacts.datasets import Dataset, Reject
from ml_pipeline.chain import REJECTED, split_rejected
from ml_pipeline.columns import Category, Column, Columns, concat, count
from ml_pipeline.data.joins import MATCHED, MOMENT, Join, Reference
from ml_pipeline.data.splits import Seen
from ml_pipeline.durations import duration
from ml_pipeline.errors import DataError, SchemaError
from ml_pipeline.handlers.prepare import rejected_records
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import BaseHandler, BaseModel, Parameters

Batches = list[Callable[[], dict[str, Column]]]


class CombineHandler(BaseHandler):
    """Exactly one row out per row in, save those without key, time or label and those whose key came before."""

    @classmethod
    def model(cls, run: StageRun) -> type[BaseModel]:
        """The join."""
        return Join

    @classmethod
    def serve(cls, model: type[BaseModel], run: StageRun) -> None:
        """Join batch by batch, unless the same datasets were joined before."""
        inputs = {name: run.datasets(f"prepared.{name}") for name in run.config.sources}
        made = [dataset for datasets in inputs.values() for dataset in datasets]
        digests = [dataset.manifest.digest for dataset in made]
        key = run.key(digests, run.request.mode, run.request.as_of if run.online else "")
        found = run.stored(key)
        run.reused = found is not None
        run.left(found or cls._joined(model, inputs, made, key, run))

    @classmethod
    def load_params(cls, model: type[BaseModel], run: StageRun) -> Parameters:
        """The other sources, indexed."""
        return {"references": [_reference(run, name) for name in run.config.sources if name != run.config.driving]}

    @classmethod
    def _joined(
        cls, model: type[BaseModel], inputs: dict[str, list[Dataset]], made: list[Dataset], key: str, run: StageRun
    ) -> Dataset:
        parameters = cls.load_params(model, run)
        data = _driving(inputs[run.config.driving], run)
        writer = run.writer(key, "combined", run.config.time)
        seen, matched, example, rows = Seen(), Counter[str](), None, 0
        for batch in cls.apply(model, parameters, data, run):
            good, rejects = _judged(batch, seen, run)
            example = example or (rejects[0] if rejects else None)
            rows += count(batch)
            for name in [name for name in good if name.startswith(MATCHED)]:
                matched[name.removeprefix(MATCHED)] += int(np.sum(good.pop(name)))
            writer.write(good)
            writer.set_aside(rejects)
        run.rows_in += rows
        run.guard(writer.quarantined, rows, example)
        dataset = writer.close(run.provenance(made))
        cls._report(run, dataset, matched, parameters)
        return dataset

    @classmethod
    def _report(cls, run: StageRun, dataset: Dataset, matched: Counter[str], parameters: Parameters) -> None:
        if not dataset.manifest.rows:
            raise DataError("no rows are left to combine", given=str(dataset.manifest.quarantined), do="give a later --as-of, or mend the source")
        run.metrics["unmatched"] = {r.name: dataset.manifest.rows - matched[r.name] for r in parameters["references"]}
        run.metrics["duplicates"] = {r.name: r.duplicates for r in parameters["references"] if r.duplicates}
        for name, missing in run.metrics["unmatched"].items():
            run.log.info("%s: %s of %s rows unmatched", name, f"{missing:,}", f"{dataset.manifest.rows:,}")


def _reference(run: StageRun, name: str) -> Reference:
    join = run.config.sources[name].join
    assert join is not None
    columns = concat([dataset.columns() for dataset in run.datasets(f"prepared.{name}")])
    if missing := sorted({*join.keys.values(), *([join.as_of] if join.as_of else [])} - set(columns)):
        raise SchemaError(
            f"{name} is joined on {missing[0]!r}, which its preparation does not keep", given=", ".join(columns), do="keep it, or correct the join"
        )
    return Reference.index(name, columns, join.keys, join.as_of, duration(join.tolerance) if join.tolerance else None)


def _driving(datasets: list[Dataset], run: StageRun) -> Batches:
    """Loaders of the driving rows, each with its moment of prediction: online never later than the as-of."""
    config = run.config
    horizon = duration(config.horizon)
    latest = np.datetime64(run.request.as_of.astimezone(dt.UTC).replace(tzinfo=None), "us") if run.online else None

    def prepared(load: Callable[[], dict[str, Column]]) -> Callable[[], dict[str, Column]]:
        def with_moment() -> dict[str, Column]:
            batch = load()
            for name in (config.key, config.time):
                if name not in batch:
                    raise SchemaError(f"the preparation of {config.driving} does not keep {name!r}", given=", ".join(batch), do="keep it")
            moment = np.asarray(batch[config.time], "datetime64[us]") - horizon
            batch[MOMENT] = moment if latest is None else np.minimum(moment, latest)
            if run.online:
                batch.pop(config.label, None)
            return batch

        return with_moment

    return [prepared(load) for dataset in datasets for load in dataset.batches()]


def _judged(batch: Columns, seen: Seen, run: StageRun) -> tuple[dict[str, Column], list[Reject]]:
    """Good rows, and those that must be set aside."""
    config = run.config
    key, reasons = batch[config.key], (f"{config.key} is missing", f"{config.time} is missing", f"{config.label} is missing", f"{config.key} came before")
    if not isinstance(key, Category):
        raise SchemaError(f"the key {config.key!r} is not text", do="make it a column of strings in the preparation")
    first = seen.first(key)
    unlabelled = np.zeros(len(key), bool) if run.online else np.isnan(_label(batch, run))
    tests = [key.codes < 0, np.isnat(np.asarray(batch[config.time])), unlabelled, ~first]
    codes = np.select(tests, range(len(tests)), -1).astype(np.int32)
    good, bad = split_rejected({**batch, REJECTED: Category(codes, reasons)})
    return good, rejected_records(bad)


def _label(batch: Columns, run: StageRun) -> Any:
    if run.config.label not in batch:
        raise SchemaError(f"the preparation of {run.config.driving} does not give the label {run.config.label!r}", given=", ".join(batch))
    return batch[run.config.label]
