"""Postprocess: predictions as the table that people use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import numpy as np

from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.columns import Column, Columns, Floats
from ml_pipeline.data.rejects import set_apart
from ml_pipeline.errors import IntegrityError
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import BaseHandler, Parameters

RANK = "rank"


class Scored(NamedTuple):
    """Predictions, the rows they were made from, and the folder of what is made of both."""

    predictions: Dataset
    combined: Dataset
    key: str


class PostprocessHandler(BaseHandler):
    """Sends every prediction, with the columns it was made from, through the use case's postprocessing."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The use case's postprocessing, a preparation."""
        return run.use_case.load(run.config.postprocess)

    @classmethod
    def load_data(cls, run: StageRun) -> Scored:
        """Predictions and the rows they were made from."""
        predictions, combined = run.dataset("predictions"), run.dataset("combined")
        run.model_version = predictions.manifest.made_from["model_version"]
        return Scored(predictions, combined, run.key(predictions.manifest.digest, combined.manifest.digest))

    @classmethod
    def is_stored(cls, run: StageRun, data: Scored) -> bool:
        return run.found(data.key)

    @classmethod
    def apply(cls, model: Any, parameters: Parameters, data: Scored, run: StageRun) -> Iterator[Columns]:
        """Formatted batches."""
        batches = _paired(data.predictions, data.combined, _ranks(data.predictions))
        return run.engine.map(lambda batch: model.transform(batch, parameters), batches)

    @classmethod
    def store_output(cls, run: StageRun, data: Scored, output: Iterator[Columns]) -> None:
        """Write the table; rows that the postprocessing rejects are set aside."""
        run.rows_in = data.predictions.manifest.rows
        writer, example = run.writer(data.key, "scored"), None
        for batch in output:
            good, rejects = set_apart(batch)
            example = example or (rejects[0] if rejects else None)
            writer.write(good)
            writer.set_aside(rejects)
        run.guard(writer.quarantined, run.rows_in, example)
        run.left(run.finish(writer, [data.predictions, data.combined], model_version=run.model_version))


def _ranks(predictions: Dataset) -> Callable[[Columns], Floats]:
    """The place of each row's prediction among all of the run, 1 for the highest; equal ones share the better place.

    Where a class is predicted, that of its probability.
    """
    by = "probability" if "probability" in predictions.manifest.columns else "prediction"
    ordered = np.sort(cast(Floats, predictions.columns([by])[by]))

    def ranks(batch: Columns) -> Floats:
        above = len(ordered) - np.searchsorted(ordered, cast(Floats, batch[by]), side="right")
        return (above + 1).astype(np.float64)

    return ranks


def _paired(predictions: Dataset, combined: Dataset, ranks: Callable[[Columns], Floats]) -> list[Callable[[], Columns]]:
    """Batches of both side by side: serve kept rows and borders."""

    def pair(left: Callable[[], Columns], right: Callable[[], Columns]) -> Callable[[], Columns]:
        def load() -> dict[str, Column]:
            batch = {**right(), **left()}
            return {**batch, RANK: ranks(batch)}

        return load

    if [part.rows for part in predictions.manifest.parts] != [part.rows for part in combined.manifest.parts]:
        raise IntegrityError(
            "predictions and combined rows do not pair",
            given=predictions.key,
            expected=combined.key,
            do="run serve with force",
        )
    return [pair(*both) for both in zip(predictions.batches(), combined.batches(), strict=True)]
