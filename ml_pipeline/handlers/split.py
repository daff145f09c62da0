"""Split: train, validation and test, by time or by a hash of the key; where learning goes on, train and test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.columns import Category, Columns, take
from ml_pipeline.config import Learning, Split, UseCaseConfig
from ml_pipeline.data.splits import PARTS, by_hash, by_time, share
from ml_pipeline.durations import duration
from ml_pipeline.errors import DataError, NothingToDo
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import NO_PARAMETERS, BaseHandler, BaseModel, Parameters


class Parting(BaseModel):
    """Parts rows. Parameters: `config`, how to `split`, and the time of the `last` row."""

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> list[Columns]:
        """The rows of each part, in the order of `PARTS`."""
        config: UseCaseConfig = parameters["config"]
        split: Split = parameters["split"]
        if split.by == "time":
            times = np.asarray(x[config.time], "datetime64[us]")
            part = by_time(times, parameters["last"], duration(split.validation), duration(split.test))
        else:
            part = by_hash(cast(Category, x[config.key]), share(split.validation), share(split.test))
        return [take(x, part == number) for number in range(len(PARTS))]


class SplitHandler(BaseHandler):
    """Writes one dataset for each part."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The split, as a model that learns nothing."""
        return Parting

    @classmethod
    def load_data(cls, run: StageRun) -> Dataset:
        """The combined rows.

        Raises:
            NothingToDo: they are fewer than learning goes on with.
        """
        data = run.dataset("combined")
        if run.learning and data.manifest.rows < _learning(run).least:
            raise _too_few(run, data)
        return data

    @classmethod
    def is_stored(cls, run: StageRun, data: Dataset) -> bool:
        found = [dataset for part in run.step.writes if (dataset := run.stored(_key(run, data, part)))]
        if len(found) < len(run.step.writes):
            return False
        for dataset in found:
            run.left(dataset)
        return True

    @classmethod
    def apply(cls, model: Any, parameters: Parameters, data: Dataset, run: StageRun) -> Iterator[list[Columns]]:
        """The rows of each part, batch by batch."""
        run.rows_in = data.manifest.rows
        last = np.datetime64(data.manifest.time["last"].replace("+00:00", ""), "us")
        settings = {"config": run.config, "split": _split(run), "last": last}
        return run.engine.map(lambda batch: model.transform(batch, settings), data.batches())

    @classmethod
    def store_output(cls, run: StageRun, data: Dataset, output: Iterator[list[Columns]]) -> None:
        """Write the parts; none may be empty."""
        writers = {part: run.writer(_key(run, data, part), part) for part in run.step.writes}
        for parts in output:
            for part, rows in zip(PARTS, parts, strict=True):
                if part in writers:
                    writers[part].write(rows)
        if empty := [part for part, writer in writers.items() if not writer.rows]:
            if run.learning:
                raise _too_few(run, data)
            raise DataError(
                f"the split leaves no rows for {', '.join(empty)}",
                given=f"{data.manifest.rows:,} rows from {data.manifest.time['first']} to {data.manifest.time['last']}",
                expected=f"more than validation {run.config.split.validation} and test {run.config.split.test}",
                do="give a later --as-of, or shorten split.validation and split.test in pipeline.yaml",
            )
        for writer in writers.values():
            run.left(run.finish(writer, [data]))


def _key(run: StageRun, combined: Dataset, part: str) -> str:
    return run.key(combined.manifest.digest, part)


def _learning(run: StageRun) -> Learning:
    return run.config.learning or Learning()


def _split(run: StageRun) -> Split:
    """As pipeline.yaml says; where learning goes on, a share of the keys judges, and nothing is to be chosen."""
    return Split(by="hash", validation="0%", test=_learning(run).test) if run.learning else run.config.split


def _too_few(run: StageRun, data: Dataset) -> NothingToDo:
    return NothingToDo(
        "not enough labelled rows to learn from yet",
        given=f"{data.manifest.rows:,} rows that the champion has not learnt",
        expected=f"at least {_learning(run).least:,}, of which {_learning(run).test} judge",
        do="wait for more, or lower learning.least in pipeline.yaml",
    )
