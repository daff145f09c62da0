"""Evaluate: candidate and champion on the same unseen rows, and a verdict with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple, cast

import numpy as np

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.artifacts.registry import METRICS
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Column, Columns, Floats, concat
from ml_pipeline.contract import Artifact
from ml_pipeline.errors import ChainError, SchemaError
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.models import metrics
from ml_pipeline.templates import BaseHandler, Parameters

SMALLER_IS_BETTER = ("log_loss", "brier", "calibration_error")
SMALL_SLICE = 200
"""Rows below which a slice is listed without an interval: it would say nothing."""


class Scored(NamedTuple):
    """Labels, predictions by role and the columns to slice by; all of one length."""

    y: Floats
    predictions: dict[str, Floats]
    slices: dict[str, Column]


class EvaluateHandler(BaseHandler):
    """Writes metrics.yaml beside the model."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The use case's model."""
        return run.use_case.load(run.config.model)

    @classmethod
    def load_data(cls, run: StageRun) -> Dataset:
        """The test rows."""
        run.model_version = run.inputs("model")[0].key.split("/")[1]
        return run.dataset("test")

    @classmethod
    def is_stored(cls, run: StageRun, data: Dataset) -> bool:
        """The same rows, judged against the same champion."""
        found = run.registry.metrics(run.model_version)
        judged = found.get("test") == data.manifest.digest
        if run.request.force or not judged or run.registry.champion() not in (found["champion"], run.model_version):
            return False
        _leave(run, found)
        return True

    @classmethod
    def load_params(cls, model: type[Chain], run: StageRun) -> dict[str, Parameters]:
        """By role; no champion where there is none, or where it is the candidate itself."""
        roles = {"candidate": run.model_version, "champion": run.registry.champion()}
        if roles["champion"] in ("", run.model_version):
            del roles["champion"]
        return {role: run.registry.parameters(version) for role, version in roles.items()}

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
        usable = {role: own for role, own in parameters.items() if role == "candidate" or _fits(model, own, data, run)}

        def score(batch: Columns) -> dict[str, Column]:
            predictions = {f"prediction.{role}": model.transform(batch, own) for role, own in usable.items()}
            return {"y": batch[run.config.label], **predictions, **{f"slice.{name}": batch[name] for name in wanted}}

        rows = concat(list(run.engine.map(score, data.batches(sorted({*model.inputs(), run.config.label, *wanted})))))
        return Scored(
            cast(Floats, rows["y"]),
            {role: cast(Floats, rows[f"prediction.{role}"]) for role in usable},
            {name: rows[f"slice.{name}"] for name in wanted},
        )

    @classmethod
    def store_output(cls, run: StageRun, data: Dataset, output: Scored) -> None:
        """Measure, judge, and write metrics.yaml beside the model."""
        roles = {"model_version": run.model_version, "champion": run.registry.champion(), "test": data.manifest.digest}
        _leave(run, roles | _measured(output, run))


def _leave(run: StageRun, found: dict[str, Any]) -> None:
    """The verdict stands in metrics.yaml and in the stage's result."""
    content = plain_yaml.dump(found)
    key = run.registry.key(run.model_version, METRICS)
    run.store.put(key, content)
    run.metrics, run.verdict = found["metrics"], found["verdict"]
    run.log.info("%s", " ".join(found["verdict"]["reasons"]))
    run.artifacts.append(
        Artifact("verdict", run.store.address(key), key, sha256(content).hexdigest(), bytes=len(content))
    )


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


def _measured(scored: Scored, run: StageRun) -> dict[str, Any]:
    config = run.config
    draws = {
        role: metrics.replicates(scored.y, p, config.seed, config.evaluate.replicates)
        for role, p in scored.predictions.items()
    }
    exact = {
        role: metrics.Ranking.of(scored.y, p).metrics(np.ones(len(scored.y))) for role, p in scored.predictions.items()
    }
    table = {
        role: {name: _with_interval(value, draws[role][name]) for name, value in own.items()}
        for role, own in exact.items()
    }
    difference = _difference(exact, draws)
    return {
        "rows": len(scored.y),
        "positive_rate": float(scored.y.mean()),
        "metrics": table["candidate"],
        "champion_metrics": table.get("champion", {}),
        "difference": difference,
        "slices": {name: _by_slice(scored, column, run) for name, column in scored.slices.items()},
        "verdict": _verdict(table["candidate"], difference, config.evaluate.floors),
    }


def _with_interval(value: float, draws: Floats) -> dict[str, float]:
    low, high = metrics.interval(draws)
    return {"value": value, "low": low, "high": high}


def _difference(exact: Mapping[str, Any], draws: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Candidate less champion, with the interval of the paired bootstrap."""
    if "champion" not in exact:
        return {}
    return {
        name: _with_interval(value - exact["champion"][name], draws["candidate"][name] - draws["champion"][name])
        for name, value in exact["candidate"].items()
    }


def _by_slice(scored: Scored, column: Column, run: StageRun) -> dict[str, dict[str, Any]]:
    words = column if isinstance(column, Category) else Category.of([f"{value:g}" for value in np.asarray(column)])
    rows = {word: np.flatnonzero(words.codes == code) for code, word in enumerate(words.vocabulary)}
    return {word: _slice(scored, own, run) for word, own in sorted(rows.items()) if len(own)}


def _slice(scored: Scored, rows: Any, run: StageRun) -> dict[str, Any]:
    y, p = scored.y[rows], scored.predictions["candidate"][rows]
    found: dict[str, Any] = {"rows": len(rows), "positive_rate": float(y.mean()), "mean_prediction": float(p.mean())}
    if len(rows) < SMALL_SLICE:
        return found | {"note": f"fewer than {SMALL_SLICE} rows: too few to judge"}
    draws = metrics.replicates(y, p, run.config.seed, 50)["roc_auc"]
    return found | {"roc_auc": _with_interval(metrics.roc_auc(y, p), draws)}


def _verdict(found: Mapping[str, Any], difference: Mapping[str, Any], floors: Mapping[str, float]) -> dict[str, Any]:
    """Floors first; against a champion the candidate must not be clearly worse in ranking."""
    reasons, passed = [], True
    for name, floor in floors.items():
        if name not in found:
            raise SchemaError(f"evaluate.floors names {name!r}, which is no metric", expected=", ".join(found))
        value = found[name]["value"]
        smaller = name in SMALLER_IS_BETTER
        good = value <= floor if smaller else value >= floor
        passed &= bool(good)
        reasons.append(
            f"{name} is {value:.4f}, {'within' if good else 'outside'} its floor of {'at most' if smaller else 'at least'} {floor:g}."
        )
    if difference:
        auc = difference["roc_auc"]
        good = auc["high"] >= 0
        passed &= bool(good)
        reasons.append(
            f"Against the champion roc_auc differs by {auc['value']:+.4f} (95 % interval {auc['low']:+.4f} to {auc['high']:+.4f}): "
            + ("not worse." if good else "worse.")
        )
    else:
        reasons.append("There is no champion to compare with, so the floors alone decide.")
    return {"passed": passed, "reasons": reasons}
