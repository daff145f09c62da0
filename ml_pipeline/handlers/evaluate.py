"""Evaluate: candidate and champion on the same unseen rows, and a verdict with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast

import msgspec

from ml_pipeline.artifacts import golden, plain_yaml
from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.artifacts.golden import GOLDEN
from ml_pipeline.artifacts.registry import CARD, METRICS, PREDICTIONS, PROFILE, REPORT
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Column, Columns, Floats, concat, take
from ml_pipeline.contract import Artifact
from ml_pipeline.data.profile import Profile
from ml_pipeline.data.splits import is_test, share
from ml_pipeline.drawing import services
from ml_pipeline.errors import ChainError, SchemaError
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.models.calibration_slope import SLOPE, slope
from ml_pipeline.models.choices import arranged
from ml_pipeline.models.curves import curves
from ml_pipeline.models.evaluation import CANDIDATE, Rules, Scored, measure
from ml_pipeline.models.metric import Metric
from ml_pipeline.picture import svg
from ml_pipeline.report import card
from ml_pipeline.report.facts import Facts
from ml_pipeline.report.page import render
from ml_pipeline.templates import BaseHandler, Parameters


class EvaluateHandler(BaseHandler):
    """Writes metrics.yaml beside the model."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The use case's model."""
        return run.use_case.load(run.config.model)

    @classmethod
    def load_data(cls, run: StageRun) -> Dataset:
        """The test rows."""
        run.about(run.inputs("model")[0].key.split("/")[1])
        return run.dataset("test")

    @classmethod
    def is_stored(cls, run: StageRun, data: Dataset) -> bool:
        """The same rows, judged against the same champion."""
        found = run.registry.metrics(run.model_version)
        judged = found.get("test") == data.manifest.digest
        if run.request.force or not judged or run.registry.champion() not in (found["champion"], run.model_version):
            return False
        _left(run, found)
        return True

    @classmethod
    def load_params(cls, model: type[Chain], run: StageRun) -> dict[str, Parameters]:
        """By role; no champion where there is none, or where it is the candidate itself."""
        roles = {"candidate": run.model_version, "champion": _other(run)}
        return {role: run.registry.parameters(version) for role, version in roles.items() if version}

    @classmethod
    def apply(cls, model: type[Chain], parameters: Mapping[str, Parameters], data: Dataset, run: StageRun) -> Scored:
        """Predictions of every role for every test row."""
        run.rows_in = data.manifest.rows
        wanted = [name for name in run.config.evaluate.slices if name in data.manifest.columns]
        if unknown := sorted(set(run.config.evaluate.slices) - set(wanted)):
            raise SchemaError(
                "evaluate.slices names a column that is not there",
                given=", ".join(unknown),
                expected=", ".join(data.manifest.columns),
            )
        usable = {role: own for role, own in parameters.items() if role == CANDIDATE or _fits(model, own, data, run)}
        classes, fair = _classes(model, parameters[CANDIDATE]), _unlearnt_share(run)

        def score(batch: Columns) -> dict[str, Column]:
            batch = take(batch, is_test(cast(Category, batch[run.config.key]), fair)) if fair else batch
            y = model.labels(parameters[CANDIDATE], batch[run.config.label])
            predictions = {
                f"prediction.{role}": arranged(model.transform(batch, own), _classes(model, own), classes)
                for role, own in usable.items()
            }
            return {"y": y, **predictions, **{f"slice.{name}": batch[name] for name in wanted}}

        needed = {*model.inputs(), run.config.label, *wanted, *([run.config.key] if fair else [])}
        rows = concat(list(run.engine.map(score, data.batches(sorted(needed)))))
        return Scored(
            cast(Floats, rows["y"]),
            {role: cast(Floats, rows[f"prediction.{role}"]) for role in usable},
            {name: rows[f"slice.{name}"] for name in wanted},
            model.estimator.predicts,
            classes,
        )

    @classmethod
    def store_output(cls, run: StageRun, data: Dataset, output: Scored) -> None:
        """Measure, judge, and write metrics.yaml beside the model."""
        roles = {"model_version": run.model_version, "champion": _other(run), "test": data.manifest.digest}
        config = run.config
        rules = Rules(config.evaluate.floors, config.evaluate.slice_floors, config.evaluate.replicates, config.seed)
        drawn = {"curves": curves(output)}
        found = roles | {"synthetic": sorted(run.synthetic)} | measure(output, rules) | _slope(output) | drawn
        if (rows := len(output.y)) < data.manifest.rows:
            found["verdict"]["reasons"].append(
                f"Both are judged by the {rows:,} of {data.manifest.rows:,} test rows that the champion has not learnt."
            )
        content = plain_yaml.dump(found)
        run.store.create(_evidence(run, content), content)
        run.store.put(run.registry.key(run.model_version, GOLDEN), _golden(run, data))
        run.store.put(run.registry.key(run.model_version, PREDICTIONS), _predictions(run, output).pack())
        facts = _facts(run, found)
        run.store.put(run.registry.key(run.model_version, CARD), plain_yaml.dump(card.plain(facts)))
        run.store.put(run.registry.key(run.model_version, REPORT), render(facts).encode())
        run.store.put(run.registry.key(run.model_version, METRICS), content)
        _left(run, found)


def _classes(model: type[Chain], parameters: Parameters) -> tuple[str, ...]:
    return model.estimator.classes(parameters["estimator"])


def _other(run: StageRun) -> str:
    """The champion to compare with; none where there is none, or where it is the candidate itself."""
    champion = run.registry.champion()
    return "" if champion == run.model_version else champion


def _unlearnt_share(run: StageRun) -> float:
    """The share of the keys by which to judge: those that a champion has never learnt since it was trained.

    One that went on learning has learnt most of the last test rows, and would be judged too well by those. 0 where all
    rows may judge: without such a champion, or where the test rows are new to it.
    """
    shares, version = list[float](), _other(run)
    while version and not run.learning and (model := run.registry.model(version)).start:
        shares.append(share(model.system["configuration"]["learning"]["test"]))
        version = model.start
    return min(shares, default=0.0)


def _evidence(run: StageRun, content: bytes) -> str:
    """Where a verdict is kept for good: a later evaluation, against another champion, has a file of its own."""
    return run.registry.key(run.model_version, f"evidence/{sha256(content).hexdigest()[:16]}.yaml")


def _slope(output: Scored) -> dict[str, Metric]:
    """Of probabilities."""
    return {SLOPE: slope(output.y, output.predictions[CANDIDATE])} if output.predicts == "probability" else {}


def _golden(run: StageRun, data: Dataset) -> bytes:
    """Some of the first test rows, as the candidate predicts them."""
    model: type[Chain] = run.use_case.load(run.config.model)
    rows = data.batches(list(model.inputs()))[0]()
    return golden.dump(model, run.registry.parameters(run.model_version), rows)


def _predictions(run: StageRun, output: Scored) -> Profile:
    """What the candidate predicts of the test rows, as later predictions are stored."""
    model: type[Chain] = run.use_case.load(run.config.model)
    return Profile.of(model.named(run.registry.parameters(run.model_version), output.predictions[CANDIDATE]))


def _facts(run: StageRun, found: dict[str, Any]) -> Facts:
    """What the model's card and the page that a person reads are made from."""
    version = run.model_version
    profile = plain_yaml.load(run.store.get(run.registry.key(version, PROFILE)))
    described, graph = msgspec.to_builtins(run.registry.model(version)), svg(services(run.config))
    return Facts(described, found, run.registry.parameters(version), profile, run.config, graph)


def _left(run: StageRun, found: dict[str, Any]) -> None:
    """The verdict stands in metrics.yaml, in a file of its own as evidence, and in the stage's result."""
    content = plain_yaml.dump(found)
    key = _evidence(run, content)
    run.metrics, run.verdict = found["metrics"], found["verdict"]
    run.log.info("%s", " ".join(found["verdict"]["reasons"]))
    digest = sha256(content).hexdigest()
    run.artifacts.append(Artifact("verdict", run.store.address(key), key, digest, bytes=len(content)))


def _fits(model: type[Chain], parameters: Parameters, data: Dataset, run: StageRun) -> bool:
    """Whether a champion that older code made can still be scored by today's."""
    try:
        next(
            iter(
                run.engine.map(lambda batch: model.transform(batch, parameters), data.batches(list(model.inputs()))[:1])
            )
        )
    except (ChainError, ValueError, KeyError, TypeError) as error:
        run.notes.append(
            f"The champion cannot be scored by this version of {model.__name__} ({error}); only floors count."
        )
        return False
    return True
