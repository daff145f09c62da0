"""Train: fit the model on the training rows, choose its settings on the validation rows; or go on from a champion."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from functools import partial
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.artifacts.registry import PROFILE, SKETCHES, Model
from ml_pipeline.artifacts.versions import model_version
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Columns, Floats
from ml_pipeline.data.profile import Profile
from ml_pipeline.engines.passes import Passes
from ml_pipeline.errors import IntegrityError, NotFoundError, UsageError
from ml_pipeline.handlers import unlearnt
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import BaseHandler, Parameters, require


class Lesson(NamedTuple):
    """The rows that train, those that choose (none where there is no choice), and the model to go on from, if any."""

    train: Dataset
    validation: Dataset | None
    start: Model | None

    @property
    def splits(self) -> list[Dataset]:
        """All rows."""
        return [self.train, *([self.validation] if self.validation else [])]

    @property
    def snapshots(self) -> list[str]:
        """Digests of all snapshots behind them, and behind the model to go on from."""
        made = [split.manifest.made_from["snapshots"] for split in self.splits]
        before = self.start.snapshots if self.start else []
        return sorted({*before, *(snapshot for snapshots in made for snapshot in snapshots)})


class TrainHandler(BaseHandler):
    """Leaves a model: parameters, and a description of what it was made from."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The use case's model."""
        return run.use_case.load(run.config.model)

    @classmethod
    def load_data(cls, run: StageRun) -> Lesson:
        """The training and validation rows; where learning goes on, the training rows and the model it goes on from."""
        train = run.dataset("train")
        if not run.learning:
            return Lesson(train, run.dataset("validation"), None)
        version = unlearnt.start(run)
        run.about(version)
        return Lesson(train, None, run.registry.model(version))

    @classmethod
    def is_stored(cls, run: StageRun, data: Lesson) -> bool:
        start = data.start.version if data.start else ""
        run.model_version = model_version(run.system.digest, data.snapshots, run.config.seed, start)
        if run.request.force or not run.registry.has(run.model_version):
            return False
        run.artifacts.append(run.registry.artifact(run.model_version))
        return True

    @classmethod
    def load_params(cls, model: type[Chain], run: StageRun) -> Parameters:
        """What the model starts from.

        Raises:
            UsageError: the model to go on from was trained by other code.
        """
        return _continued(model, unlearnt.start(run), run) if run.learning else model.start()

    @classmethod
    def fit(cls, model: type[Chain], start: Parameters, data: Lesson, run: StageRun) -> Parameters:
        """Fit each variant on train, warm from the one before, and keep the one with the least loss on validation.

        Without validation rows there is one variant.

        Every pass over the training rows is logged, and stands in the stage's metrics.
        """
        kinds = _kinds(data.train)
        model.outputs(start, kinds)
        for name, wanted in model.training_inputs().items():
            require(model.__name__, [name], kinds, wanted)
        run.rows_in = sum(split.manifest.rows for split in data.splits)
        label = partial(_label, model=model, start=start, name=run.config.label)
        learnt, judged = ([*inputs, run.config.label] for inputs in (model.training_inputs(), model.inputs()))
        fitted = _variants(model, start, (data.train.batches(learnt), label), run)
        if not data.validation:
            return fitted.popitem()[1]
        losses = _mean_losses(model, fitted, (data.validation.batches(judged), label), run)
        for name, loss in losses.items():
            run.log.info("%s: validation loss %.6f", name, loss)
        run.metrics["validation_loss"] = losses
        return fitted[min(losses, key=lambda name: losses[name])]

    @classmethod
    def store_output(cls, run: StageRun, data: Lesson, output: Parameters) -> None:
        """Write profile.yaml, profile.msgpack, parameters.yaml, then model.yaml."""
        profile = _profile(data.train, run)
        run.store.put(run.registry.key(run.model_version, PROFILE), plain_yaml.dump(profile.described()))
        before = _learnt(data.start.version, run) if data.start else Profile()
        run.store.put(run.registry.key(run.model_version, SKETCHES), before.merge(profile).pack())
        content = parameters_file.dump(output, run.config.model.rpartition(".")[2])
        note = output["estimator"].get("fit", {}).get("note")
        run.notes += [note] if note else []
        described = Model(
            version=run.model_version,
            model=run.config.model,
            parameters_sha256=hashlib.sha256(content).hexdigest(),
            system_version=run.system.digest,
            as_of=run.request.as_of.isoformat(),
            rows=data.train.manifest.rows,
            seed=run.config.seed,
            snapshots=data.snapshots,
            made_from={split.manifest.name: split.manifest.digest for split in data.splits},
            system=run.system.components,
            synthetic=sorted(run.synthetic),
            start=data.start.version if data.start else "",
        )
        run.registry.add(described, content)
        run.artifacts.append(run.registry.artifact(run.model_version))


def _continued(model: type[Chain], version: str, run: StageRun) -> Parameters:
    """What a model knows, to be gone on from."""
    if changed := run.other_code(version):
        raise UsageError(
            f"learning cannot go on from {version}: other code made it",
            given=f"{', '.join(changed)} changed since",
            expected="the code of the use case as it was when the champion was trained",
            do=f"train offline once: `ml-pipeline run {run.config.name} offline`",
        )
    return model.continued(run.registry.parameters(version))


def _profile(train: Dataset, run: StageRun) -> Profile:
    """What the training rows look like: what the model reads of them, the label and the time."""
    model: type[Chain] = run.use_case.load(run.config.model)
    return train.profile().only([*model.inputs(), run.config.label, run.config.time])


def _learnt(version: str, run: StageRun) -> Profile:
    """What the rows looked like that a model has learnt; no rows, and a note, where that cannot be told any more."""
    try:
        return run.registry.profile(version)
    except (NotFoundError, IntegrityError) as error:
        run.notes.append(f"Drift will be measured from the new rows alone, as those before them are not known: {error}")
        return Profile()


def _label(batch: Columns, model: type[Chain], start: Parameters, name: str) -> Floats:
    return model.labels(start, batch[name])


def _variants(model: type[Chain], start: Parameters, rows: tuple[Any, Any], run: StageRun) -> dict[str, Parameters]:
    """Each variant by name, fitted warm from the one before."""
    found: dict[str, Parameters] = {}
    fitted = start
    run.metrics["passes"] = []
    with Passes(run.engine) as total:
        for variant in model.variants(start) or [{}]:
            began, warm = time.perf_counter(), model.vary(fitted, variant)
            for fitted in model.passes(warm, *rows, total):
                took, began = time.perf_counter() - began, time.perf_counter()
                _tell(run, {"rows": total.rows, **_standing(fitted["estimator"]), "seconds": round(took, 3)})
            name = ", ".join(f"{setting} {value:g}" for setting, value in variant.items()) or "as it stands"
            found[name] = fitted
    return found


def _standing(estimator: Parameters) -> dict[str, float]:
    """Where a fit is: the objective that its last pass found, and how far the step after it goes, where it says so."""
    progress = estimator.get("progress") or estimator.get("fit") or {}
    names = {"objective": "objective", "moved": "step"}
    return {name: progress[key] for key, name in names.items() if key in progress and isfinite(progress[key])}


def _tell(run: StageRun, done: dict[str, Any]) -> None:
    """A line for a person, and an entry of the stage's result."""
    passes = run.metrics["passes"]
    passes.append(done)
    objective = f", objective {done['objective']:.3f}" if "objective" in done else ""
    step = f", step {done['step']:.2g}" if "step" in done else ""
    run.log.info("pass %d: %s rows%s%s, %.1f s", len(passes), f"{done['rows']:,}", objective, step, done["seconds"])


def _mean_losses(
    model: type[Chain], fitted: Mapping[str, Parameters], rows: tuple[Any, Any], run: StageRun
) -> dict[str, float]:
    """The mean loss of each variant over the same rows, in one pass."""
    batches, label = rows

    def losses(batch: Columns) -> tuple[Floats, int]:
        y = label(batch)
        encoded: dict[tuple[int, ...], Any] = {}
        sums = []
        for own in fitted.values():
            encoders = tuple(map(id, own["features"]))
            if encoders not in encoded:
                encoded[encoders] = model.encode(batch, own)
            prediction = model.estimator.transform(encoded[encoders], own["estimator"])
            sums.append(model.loss(y, prediction).sum())
        return np.array(sums), len(y)

    sums, counts = zip(*run.engine.map(losses, batches), strict=True)
    return dict(zip(fitted, (np.sum(sums, axis=0) / sum(counts)).tolist(), strict=True))


def _kinds(dataset: Dataset) -> Any:
    from ml_pipeline.columns import kind
    from ml_pipeline.data.arrow import to_columns

    return {name: kind(column) for name, column in to_columns(dataset.empty()).items()}
