"""Serve: the champion's predictions, one per row, in the order of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Column, Columns, count
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.data.joins import MOMENT
from ml_pipeline.errors import UsageError
from ml_pipeline.handlers import scored_runs
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.models.explanation import reasons
from ml_pipeline.templates import BaseHandler, Parameters


class ServeHandler(BaseHandler):
    """Leaves key, time, moment, prediction and model version of each row, and where asked for what speaks for it."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The use case's model."""
        return run.use_case.load(run.config.model)

    @classmethod
    def load_data(cls, run: StageRun) -> Dataset:
        """The combined rows, for the champion to predict."""
        champion = run.registry.champion()
        if not champion:
            name = run.config.name
            raise UsageError(
                "there is no champion to predict with", given=name, do=f"run `ml-pipeline run {name} offline` first"
            )
        run.about(champion)
        if changed := run.other_code(champion):
            run.notes.append(
                f"The champion {champion} was trained by other code ({', '.join(changed)} changed since): its scores "
                "may mean something else. Train again, and score then."
            )
            run.log.warning("%s", run.notes[-1])
        return run.dataset("combined")

    @classmethod
    def is_stored(cls, run: StageRun, data: Dataset) -> bool:
        found = run.found(_key(run, data))
        if found:
            scored_runs.note(run.store, run.request.run_id, run.request.as_of)
        return found

    @classmethod
    def load_params(cls, model: type[Chain], run: StageRun) -> Parameters:
        """The champion's."""
        return run.registry.parameters(run.model_version)

    @classmethod
    def apply(
        cls, model: type[Chain], parameters: Parameters, data: Dataset, run: StageRun
    ) -> Iterator[dict[str, Column]]:
        """The rows' identity with what the model predicts."""
        columns = dict.fromkeys([*identity(run.config), *model.inputs()])

        def predict(batch: Columns) -> dict[str, Column]:
            return predictions(batch, model, parameters, run.model_version, run.config)

        return run.engine.map(predict, data.batches(list(columns)))

    @classmethod
    def store_output(cls, run: StageRun, data: Dataset, output: Iterator[Columns]) -> None:
        """Write the predictions."""
        run.rows_in = data.manifest.rows
        writer = run.writer(_key(run, data), "predictions")
        for batch in output:
            writer.write(batch)
        run.left(run.finish(writer, [data], model_version=run.model_version))
        scored_runs.note(run.store, run.request.run_id, run.request.as_of)


def identity(config: UseCaseConfig) -> tuple[str, ...]:
    """The columns that say which row was predicted, when it is, and as of when."""
    return config.key, config.time, MOMENT


def predictions(
    batch: Columns, model: type[Chain], parameters: Parameters, version: str, config: UseCaseConfig
) -> dict[str, Column]:
    """What is stored of combined rows: their identity, what the model predicts and why, and its version."""
    known = {name: batch[name] for name in identity(config)}
    predicted = model.named(parameters, model.transform(batch, parameters))
    why = reasons(model, batch, parameters, config.explain) if config.explain else {}
    by = Category(np.zeros(count(batch), np.int32), (version,))
    return {**known, **predicted, **why, "model_version": by}


def _key(run: StageRun, data: Dataset) -> str:
    return run.key(data.manifest.digest, run.model_version)
