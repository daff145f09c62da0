"""Split: train, validation and test, by time or by a hash of the key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
            key = x[config.key]
            assert isinstance(key, Category)
            part = by_hash(key, _share(split.validation), _share(split.test))
        return [take(x, part == number) for number in range(len(PARTS))]


class SplitHandler(BaseHandler):
    """Writes one dataset for each part."""

    @classmethod
    def model(cls, run: StageRun) -> type[BaseModel]:
        """The split, as a model that learns nothing."""
        return Parting

    @classmethod
    def serve(cls, model: type[BaseModel], run: StageRun) -> None:
        """Part the rows, unless the same rows were parted before."""
        combined = cls.load_data(run)
        stored = [run.stored(run.key(combined.manifest.digest, part)) for part in PARTS]
        found = [dataset for dataset in stored if dataset]
        if len(found) == len(PARTS):
            run.reused = True
            for dataset in found:
                run.left(dataset)
            return
        run.rows_in = combined.manifest.rows
        last = np.datetime64(combined.manifest.time["last"].replace("+00:00", ""), "us")
        output = cls.apply(model, {"config": run.config, "last": last}, combined.batches(), run)
        cls.store_output(run, (combined, output))

    @classmethod
    def load_data(cls, run: StageRun) -> Dataset:
        """The combined rows."""
        return run.dataset("combined")

    @classmethod
    def store_output(cls, run: StageRun, output: tuple[Dataset, Iterator[list[Any]]]) -> None:
        """Write the parts; none may be empty."""
        combined, batches = output
        writers = [run.writer(run.key(combined.manifest.digest, part), part, run.config.time) for part in PARTS]
        for parts in batches:
            for writer, rows in zip(writers, parts, strict=True):
                writer.write(rows)
        if empty := [writer.name for writer in writers if not writer.parts and not writer.pending_rows]:
            raise DataError(
                f"the split leaves no rows for {', '.join(empty)}",
                given=f"{combined.manifest.rows:,} rows from {combined.manifest.time.get('first')} to {combined.manifest.time.get('last')}, "
                f"validation {run.config.split.validation}, test {run.config.split.test}",
                do="give a later --as-of, or shorten split.validation and split.test in pipeline.yaml",
            )
        for writer in writers:
            run.left(writer.close(run.provenance([combined])))


def _share(text: str) -> float:
    return float(text.removesuffix("%")) / 100
