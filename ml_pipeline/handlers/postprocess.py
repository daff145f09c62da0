"""Postprocess: predictions as the table that people use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.columns import Column, Columns, Floats
from ml_pipeline.errors import IntegrityError
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import BaseHandler, Parameters

RANK = "rank"


class PostprocessHandler(BaseHandler):
    """Sends every prediction, with the columns it was made from, through the use case's postprocessing."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The use case's postprocessing, a preparation."""
        return run.use_case.load(run.config.postprocess)

    @classmethod
    def serve(cls, model: Any, run: StageRun) -> None:
        """Format, unless the same predictions were formatted before."""
        predictions, combined = cls.load_data(run)
        key = run.key(predictions.manifest.digest, combined.manifest.digest)
        run.model_version = predictions.manifest.made_from["model_version"]
        if found := run.stored(key):
            run.reused = True
            run.left(found)
            return
        run.rows_in = predictions.manifest.rows
        ranks = _ranks(predictions)
        writer = run.writer(key, "scored", run.config.time)
        for batch in cls.apply(model, cls.load_params(model, run), _paired(predictions, combined, ranks), run):
            writer.write(batch)
        run.left(writer.close(run.provenance([predictions, combined], model_version=run.model_version)))

    @classmethod
    def load_data(cls, run: StageRun) -> tuple[Dataset, Dataset]:
        """Predictions and the rows they were made from."""
        return run.dataset("predictions"), run.dataset("combined")

    @classmethod
    def load_params(cls, model: Any, run: StageRun) -> Parameters:
        """A postprocessing learns nothing."""
        return {}


def _ranks(predictions: Dataset) -> Callable[[Floats], Floats]:
    """Prediction -> its place among all of the run, 1 for the highest; equal ones share the better place."""
    ordered = np.sort(cast(Floats, predictions.columns(["prediction"])["prediction"]))
    return lambda own: (len(ordered) - np.searchsorted(ordered, own, side="right") + 1).astype(np.float64)


def _paired(predictions: Dataset, combined: Dataset, ranks: Callable[[Floats], Floats]) -> list[Callable[[], Columns]]:
    """Batches of both side by side: serve kept rows and borders."""

    def pair(left: Callable[[], Columns], right: Callable[[], Columns]) -> Callable[[], Columns]:
        def load() -> dict[str, Column]:
            batch = {**right(), **left()}
            return {**batch, RANK: ranks(cast(Floats, batch["prediction"]))}

        return load

    if [part.rows for part in predictions.manifest.parts] != [part.rows for part in combined.manifest.parts]:
        raise IntegrityError("predictions and combined rows do not pair", given=predictions.key, expected=combined.key, do="run serve with force")
    return [pair(*both) for both in zip(predictions.batches(), combined.batches(), strict=True)]
