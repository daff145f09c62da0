"""Split: train, validation and test, by time or by a hash of the key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.columns import Category, Columns, take
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.data.splits import PARTS, by_hash, by_time
from ml_pipeline.durations import duration
from ml_pipeline.errors import DataError
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import NO_PARAMETERS, BaseHandler, BaseModel, Parameters


class Parting(BaseModel):
    """Adds the number of its part to every row. Parameters: `config` and the time of the `last` row."""

    @classmethod
    def transform(cls, x: Columns, parameters: Parameters = NO_PARAMETERS) -> list[Columns]:
        """The rows of each part, in the order of `PARTS`."""
        config: UseCaseConfig = parameters["config"]
        split = config.split
        if split.by == "time":
            times = np.asarray(x[config.time], "datetime64[us]")
            part = by_time(times, parameters["last"], duration(split.validation), duration(split.test))
        else:
            part = by_hash(cast(Category, x[config.key]), _share(split.validation), _share(split.test))
        return [take(x, part == number) for number in range(len(PARTS))]


class SplitHandler(BaseHandler):
    """Writes one dataset for each part."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The split, as a model that learns nothing."""
        return Parting

    @classmethod
    def load_data(cls, run: StageRun) -> Dataset:
        """The combined rows."""
        return run.dataset("combined")

    @classmethod
    def is_stored(cls, run: StageRun, data: Dataset) -> bool:
        found = [dataset for part in PARTS if (dataset := run.stored(_key(run, data, part)))]
        if len(found) < len(PARTS):
            return False
        for dataset in found:
            run.left(dataset)
        return True

    @classmethod
    def apply(cls, model: Any, parameters: Parameters, data: Dataset, run: StageRun) -> Iterator[list[Columns]]:
        """The rows of each part, batch by batch."""
        run.rows_in = data.manifest.rows
        settings = {"config": run.config, "last": np.datetime64(data.manifest.time["last"].replace("+00:00", ""), "us")}
        return run.engine.map(lambda batch: model.transform(batch, settings), data.batches())

    @classmethod
    def store_output(cls, run: StageRun, data: Dataset, output: Iterator[list[Columns]]) -> None:
        """Write the parts; none may be empty."""
        writers = [run.writer(_key(run, data, part), part) for part in PARTS]
        for parts in output:
            for writer, rows in zip(writers, parts, strict=True):
                writer.write(rows)
        if empty := [writer.name for writer in writers if not writer.rows]:
            raise DataError(
                f"the split leaves no rows for {', '.join(empty)}",
                given=f"{data.manifest.rows:,} rows from {data.manifest.time['first']} to {data.manifest.time['last']}",
                expected=f"more than validation {run.config.split.validation} and test {run.config.split.test}",
                do="give a later --as-of, or shorten split.validation and split.test in pipeline.yaml",
            )
        for writer in writers:
            run.left(run.finish(writer, [data]))


def _key(run: StageRun, combined: Dataset, part: str) -> str:
    return run.key(combined.manifest.digest, part)


def _share(text: str) -> float:
    return float(text.removesuffix("%")) / 100
