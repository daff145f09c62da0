"""The champion beside the model that it replaced, on the very rows that the champion has predicted since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np

from ml_pipeline.artifacts.datasets import Dataset, open_dataset
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Columns, concat, take
from ml_pipeline.contract import StageResult
from ml_pipeline.errors import ChainError, NotFoundError
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.models.choices import arranged
from ml_pipeline.models.evaluation import CANDIDATE, CHAMPION, JUDGES, Rules, Scored, measure
from ml_pipeline.models.metric import compared, interval, shown
from ml_pipeline.monitoring.severity import Finding
from ml_pipeline.monitoring.truth import Truth, hashed
from ml_pipeline.templates import Parameters

UNFIT = (ChainError, ValueError, KeyError, TypeError)
"""What the code of today says of parameters that other code made."""


def beside(model: type[Chain], runs: Sequence[StageResult], truth: Truth, run: StageRun) -> Iterator[Finding]:
    """What there is to say of the two, by the paired difference of the metric that decides.

    Nothing is said without a predecessor, of rows that were kept in memory alone, and of fewer than `monitoring.least`.
    """
    entry = run.registry.last_promotion()
    if not entry or not entry.previous:
        return
    rows = _rows(model, [own for own in runs if own.model_version == entry.to], truth, run)
    if rows is None:
        return
    try:
        both = [run.registry.parameters(version) for version in (entry.to, entry.previous)]
        scored = _scored(model, rows, both, run)
    except (NotFoundError, *UNFIT) as error:
        yield Finding("ok", f"{entry.previous}, which {entry.to} replaced, cannot be compared with it ({error}).")
        return
    yield _finding(scored, entry.to, entry.previous, run)


def _rows(model: type[Chain], runs: Sequence[StageResult], truth: Truth, run: StageRun) -> Columns | None:
    """What was predicted from, and what came true, once for each dataset; None where that is too little."""
    read = {own.key: own for result in runs for own in result.reads if own.name == "combined" and not own.passed}
    parts = [part for key in read if (part := _known(model, key, truth, run))]
    rows = concat(parts) if parts else {}
    least = run.config.monitoring.least if run.config.monitoring else 0
    return rows if parts and len(rows[run.config.label]) >= least else None


def _known(model: type[Chain], key: str, truth: Truth, run: StageRun) -> Columns | None:
    try:
        dataset: Dataset = open_dataset(run.store, key)
    except NotFoundError:
        return None
    batch = dataset.columns([*dict.fromkeys([run.config.key, *model.inputs()])])
    known, rows = truth.of(hashed(cast(Category, batch[run.config.key])))
    return {**take(batch, known), run.config.label: rows[run.config.label]}


def _scored(model: type[Chain], rows: Columns, both: Sequence[Parameters], run: StageRun) -> Scored:
    """Both models on all rows; places of classes are those of the champion."""
    estimator, classes = model.estimator, model.estimator.classes(both[0]["estimator"])
    p = [arranged(model.transform(rows, own), estimator.classes(own["estimator"]), classes) for own in both]
    y = np.asarray(model.labels(both[0], rows[run.config.label]))
    predictions = dict(zip((CANDIDATE, CHAMPION), p, strict=True))
    return Scored(y, predictions, {}, estimator.predicts, classes)


def _finding(scored: Scored, champion: str, other: str, run: StageRun) -> Finding:
    name = JUDGES[scored.predicts].decides
    found = measure(scored, Rules({}, {}, run.config.evaluate.replicates, run.config.seed))
    difference, own = found["difference"][name], found["metrics"][name]
    differs = f"{name} differs by {shown(difference, own, sign=True)} ({interval(difference, own, sign=True)})"
    told = f"On the same {len(scored.y):,} rows, beside {other}, which {champion} replaced, {differs}"
    if compared(name, difference) != "worse":
        return Finding("ok", f"{told}: not worse.")
    back = f"`ml-pipeline models rollback {run.config.name}`"
    return Finding("act", f"{told}: worse. Go back to it by {back}, or train again.")
