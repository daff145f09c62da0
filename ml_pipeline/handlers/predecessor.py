"""The champion beside the model that it replaced, on the very rows that the champion has predicted since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np

from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Columns, concat, take
from ml_pipeline.contract import StageResult
from ml_pipeline.errors import ChainError, IntegrityError, NotFoundError
from ml_pipeline.handlers.archive import Archive
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.models.choices import arranged
from ml_pipeline.models.evaluation import CANDIDATE, CHAMPION, JUDGES, Rules, Scored, measure
from ml_pipeline.models.metric import compared, interval, shown
from ml_pipeline.monitoring.severity import Finding
from ml_pipeline.monitoring.truth import Truth, hashed
from ml_pipeline.templates import Parameters

UNFIT = (ChainError, ValueError, KeyError, TypeError)
"""What the code of today says of parameters that other code made."""


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
    rows = _rows(model, archive, [own for own in runs if own.model_version == entry.to], truth, run)
    if rows is None:
        return None
    try:
        both = [run.registry.parameters(version) for version in (entry.to, entry.previous)]
        scored = _scored(model, rows, both, run)
    except (IntegrityError, NotFoundError, *UNFIT) as error:
        told = f"{entry.previous}, which {entry.to} replaced, cannot be compared with it ({error})."
        return Beside(entry, Finding("ok", told))
    return _compared(scored, entry, run)


def _judged(run: StageRun) -> Promotion | None:
    """The entry that counts; where an earlier try of this very run has gone back, the one that it went back from."""
    last = run.registry.last_promotion()
    own = last and last.kind == "rollback" and last.run == run.request.run_id
    return run.registry.log.entry(last.number - 1) if last and own else last


def _rows(
    model: type[Chain], archive: Archive, runs: Sequence[StageResult], truth: Truth, run: StageRun
) -> Columns | None:
    """What was predicted from, and what came true, once for each dataset; None where that is too little."""
    read = {own.key: own for result in runs for own in result.reads if own.name == "combined" and not own.passed}
    parts = [part for key in read if (part := _known(model, archive, key, truth, run))]
    rows = concat(parts) if parts else {}
    least = run.config.monitoring.least if run.config.monitoring else 0
    return rows if parts and len(rows[run.config.label]) >= least else None


def _known(model: type[Chain], archive: Archive, key: str, truth: Truth, run: StageRun) -> Columns | None:
    dataset, names = archive.dataset(key), list(dict.fromkeys([run.config.key, *model.inputs()]))
    batch = archive.columns(dataset, names) if dataset else None
    if batch is None:
        return None
    known, rows = truth.of(hashed(cast(Category, batch[run.config.key])))
    return {**take(batch, known), run.config.label: rows[run.config.label]}


def _scored(model: type[Chain], rows: Columns, both: Sequence[Parameters], run: StageRun) -> Scored:
    """Both models on all rows; places of classes are those of the champion."""
    estimator, classes = model.estimator, model.estimator.classes(both[0]["estimator"])
    p = [arranged(model.transform(rows, own), estimator.classes(own["estimator"]), classes) for own in both]
    y = np.asarray(model.labels(both[0], rows[run.config.label]))
    predictions = dict(zip((CANDIDATE, CHAMPION), p, strict=True))
    return Scored(y, predictions, {}, estimator.predicts, classes)


def _compared(scored: Scored, entry: Promotion, run: StageRun) -> Beside:
    name = JUDGES[scored.predicts].decides
    found = measure(scored, Rules({}, {}, run.config.evaluate.replicates, run.config.seed))
    difference, own = found["difference"][name], found["metrics"][name]
    differs = f"{name} differs by {shown(difference, own, sign=True)} ({interval(difference, own, sign=True)})"
    replaced = f"beside {entry.previous}, which {entry.to} replaced"
    told = f"On the same {len(scored.y):,} rows, {replaced}, {differs}"
    if compared(name, difference) != "worse":
        return Beside(entry, Finding("ok", f"{told}: not worse."))
    return Beside(entry, Finding("act", f"{told}: worse."), worse=True)
