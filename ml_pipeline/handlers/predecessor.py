"""The champion beside the model that it replaced, on the very rows that it has predicted since both were made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np

from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category
from ml_pipeline.contract import StageResult
from ml_pipeline.data.joins import MOMENT
from ml_pipeline.errors import DataError, IntegrityError, NotFoundError
from ml_pipeline.handlers.archive import Archive
from ml_pipeline.handlers.judging import UNFIT, day
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.models.choices import arranged
from ml_pipeline.models.evaluation import CANDIDATE, CHAMPION, JUDGES, Rules, Scored, measure
from ml_pipeline.models.metric import Metric, compared, interval, shown
from ml_pipeline.monitoring.served import blocks
from ml_pipeline.monitoring.severity import Finding
from ml_pipeline.monitoring.truth import Predicted, Truth, hashed
from ml_pipeline.templates import Parameters

WIDER = 3.0
"""How much wider an interval is taken where nobody knows how much days differ."""


class Beside(NamedTuple):
    """What there is to say of the champion beside the model that it replaced by an entry of the promotion log."""

    entry: Promotion
    finding: Finding
    worse: bool = False


def beside(
    model: type[Chain], archive: Archive, runs: Sequence[StageResult], truth: Truth, run: StageRun
) -> Beside | None:
    """What there is to say of the two, by the paired difference of the metric that decides.

    Nothing is said without a predecessor, of rows that were kept in memory alone, and of fewer than `monitoring.least`.
    """
    entry = _judged(run)
    if not entry or not entry.previous:
        return None
    try:
        rows = _rows(model, archive, _since(entry, runs, run), truth, run)
        if rows is None:
            return None
        both = [run.registry.parameters(version) for version in (entry.to, entry.previous)]
        scored = _scored(model, rows, both, run)
    except (IntegrityError, NotFoundError, DataError, *UNFIT) as error:
        told = f"{entry.previous}, which {entry.to} replaced, cannot be compared with it ({error})."
        return Beside(entry, Finding("ok", told))
    return _compared(scored, entry, run)


def _since(entry: Promotion, runs: Sequence[StageResult], run: StageRun) -> list[StageResult]:
    """Runs that the champion scored since both models were made: what came true later neither has learnt."""
    made = [dt.datetime.fromisoformat(run.registry.model(version).as_of) for version in (entry.to, entry.previous)]
    return [own for own in runs if own.model_version == entry.to and own.as_of >= max(made)]


def _judged(run: StageRun) -> Promotion | None:
    """The entry that counts; where an earlier try of this very run has gone back, the one that it went back from."""
    last = run.registry.last_promotion()
    own = last and last.kind == "rollback" and last.run == run.request.run_id
    return run.registry.log.entry(last.number - 1) if last and own else last


def _rows(
    model: type[Chain], archive: Archive, runs: Sequence[StageResult], truth: Truth, run: StageRun
) -> Predicted | None:
    """What was predicted from and has come true, each once, with its label; None where that is too little."""
    read = {own.key: result for result in reversed(runs) for own in result.reads
            if own.name == "combined" and not own.passed}  # fmt: skip
    names = list(dict.fromkeys([run.config.key, MOMENT, *model.inputs()]))
    parts = []
    for key, result in reversed(read.items()):
        dataset = archive.dataset(key)
        if dataset and (batch := archive.columns(dataset, names)) is not None:
            keys = hashed(cast(Category, batch[run.config.key]))
            parts.append(Predicted(keys, np.full(len(keys), day(result, run)), batch).of(truth.of(keys)[0]))
    if not parts:
        return None
    once = Predicted.once(parts, MOMENT)
    _, rows = truth.of(once.keys)
    least = run.config.monitoring.least if run.config.monitoring else 0
    labelled = once._replace(columns={**once.columns, run.config.label: rows[run.config.label]})
    return labelled if len(once.keys) >= least else None


def _scored(model: type[Chain], rows: Predicted, both: Sequence[Parameters], run: StageRun) -> Scored:
    """Both models on all rows; places of classes are those of the champion."""
    estimator, classes = model.estimator, model.estimator.classes(both[0]["estimator"])
    p = [arranged(model.transform(rows.columns, own), estimator.classes(own["estimator"]), classes) for own in both]
    y = np.asarray(model.labels(both[0], rows.columns[run.config.label]))
    predictions = dict(zip((CANDIDATE, CHAMPION), p, strict=True))
    return Scored(y, predictions, {}, estimator.predicts, classes, blocks(rows.days))


def _compared(scored: Scored, entry: Promotion, run: StageRun) -> Beside:
    name = JUDGES[scored.predicts].decides
    found = measure(scored, Rules({}, {}, run.config.evaluate.replicates, run.config.seed))
    difference, own, few = found["difference"][name], found["metrics"][name], ""
    if scored.blocks is None:
        difference, few = _wider(difference), f", taken {WIDER:g} times as wide as of days that are alike"
    differs = f"{name} differs by {shown(difference, own, sign=True)} ({interval(difference, own, sign=True)}{few})"
    replaced = f"beside {entry.previous}, which {entry.to} replaced"
    told = f"On the same {len(scored.y):,} rows, {replaced}, {differs}"
    if compared(name, difference) != "worse":
        return Beside(entry, Finding("ok", f"{told}: not worse."))
    return Beside(entry, Finding("act", f"{told}: worse."), worse=True)


def _wider(difference: Metric) -> Metric:
    """Of a few days nobody knows how much days differ; it makes intervals two to three times as wide."""
    ends = {end: WIDER * (difference[end] - difference["value"]) for end in ("low", "high")}
    return {"value": difference["value"], **{end: difference["value"] + far for end, far in ends.items()}}
