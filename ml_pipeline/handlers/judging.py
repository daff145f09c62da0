"""What models predicted, joined to what became true, and judged by it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import numpy as np

from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Column, Columns, Floats, Mask, take
from ml_pipeline.config import Monitoring
from ml_pipeline.contract import StageResult
from ml_pipeline.data.joins import MOMENT
from ml_pipeline.data.profile import Profile
from ml_pipeline.data.splits import share
from ml_pipeline.errors import ChainError, DataError, IntegrityError, NotFoundError, PipelineError
from ml_pipeline.handlers.archive import Archive
from ml_pipeline.handlers.drifting import Profiles
from ml_pipeline.handlers.latest_records import latest
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.models.evaluation import Rules
from ml_pipeline.monitoring.calibration import calibration
from ml_pipeline.monitoring.performance import TOO_FEW, Made, Maturity, Outcome, daily, findings, measured
from ml_pipeline.monitoring.served import ENOUGH, Part, blocks, promised, served
from ml_pipeline.monitoring.severity import Finding
from ml_pipeline.monitoring.truth import Days, Predicted, Truth, hashed
from ml_pipeline.templates import Parameters

WORDS = 200
"""Values of a column to slice by above which it is no slice: a metric of each would say nothing."""
Runs = Sequence[tuple[StageResult, Dataset]]
"""What serving left, and the predictions."""


UNFIT = (ChainError, ValueError, KeyError, TypeError)
"""What the code of today says of parameters that other code made."""
RECENT = 200
"""Promotions that are looked at for who has been champion: more than the nights of a window."""


class Judgement(NamedTuple):
    """Of one model: its days, what all of them together are worth, what there is to say of it, and its metrics.yaml; by
    day profiles of what it predicted, and of the labels of days that are mature; and what of it has come true."""

    version: str
    days: list[dict[str, Any]]
    whole: dict[str, Any]
    findings: list[Finding]
    then: Mapping[str, Any] = MappingProxyType({})
    predicted: Profiles = MappingProxyType({})
    true: Profiles = MappingProxyType({})
    part: Part | None = None


class Series(NamedTuple):
    """What champions served, one after the other: its worth, what there is to say of it, and what had been promised."""

    whole: dict[str, Any]
    findings: list[Finding]
    then: Mapping[str, Any]


def predictions(archive: Archive, runs: Runs, run: StageRun) -> dict[str, Predicted]:
    """By model version, as far as they can be read; of a key that a model predicted twice as of one moment, one."""
    found: dict[str, list[Predicted]] = {}
    for result, dataset in runs:
        names = [name for name in dataset.manifest.columns if name not in (run.config.time, "model_version")]
        names = [name for name in names if not name.startswith("reason")]
        if run.config.key not in dataset.manifest.columns:
            archive.damaged[dataset.key] = f"it has no column {run.config.key}"
            continue
        columns = archive.columns(dataset, names)
        if columns is None:
            continue
        keys = hashed(cast(Category, columns.pop(run.config.key)))
        days = np.full(len(keys), day(result, run))
        found.setdefault(result.model_version, []).append(Predicted(keys, days, columns))
    return {version: Predicted.once(own, MOMENT) for version, own in found.items()}


def day(result: StageResult, run: StageRun) -> np.datetime64:
    """The day, where the use case is at home, as of which something was scored."""
    return np.datetime64(result.as_of.astimezone(ZoneInfo(run.config.timezone)).date(), "D")


def truth_of(runs: Runs, known: Sequence[Dataset], predicted: Mapping[str, Predicted], run: StageRun) -> Truth:
    """Of keys that were predicted the label that is known last."""
    wanted = np.unique(np.concatenate([own.keys for own in predicted.values()]))
    key, label = run.config.key, run.config.label
    kept = [key, label, *(name for name in run.config.evaluate.slices if name != label)]
    first, last = _times(runs, run)

    def among(batch: Columns) -> Truth:
        times = np.asarray(batch[run.config.time])
        scored = np.asarray((times >= first) & (times <= last))
        return Truth.among({name: batch[name] for name in kept if name in batch}, key, label, wanted, scored)

    return Truth.first(list(run.engine.map(among, latest(run, known))))


def _times(runs: Runs, run: StageRun) -> list[np.datetime64]:
    """The first and the last time of rows that were predicted; neither, where no manifest says."""
    ranges = [own.manifest.time for _, own in runs if own.manifest.time.get("column") == run.config.time]
    ends = min((own["first"] for own in ranges), default="NaT"), max((own["last"] for own in ranges), default="NaT")
    return [np.datetime64(end.partition("+")[0], "us") for end in ends]


def joined(model: type[Chain], version: str, own: Predicted, truth: Truth, run: StageRun) -> Judgement:
    """Of one model what has come true, day by day; not yet what all of it is worth."""
    try:
        return _joined(model, version, own, truth, run)
    except NotFoundError:
        return Judgement(version, [], {}, [Finding("watch", f"{version} predicted, but is stored no more.")])
    except (IntegrityError, DataError, *UNFIT) as error:
        why = error if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
        return Judgement(version, [], {}, [Finding("watch", f"{version} predicted, but cannot be judged: {why}")])


def _joined(model: type[Chain], version: str, own: Predicted, truth: Truth, run: StageRun) -> Judgement:
    parameters, then = run.registry.parameters(version), run.registry.metrics(version)
    known, rows = truth.of(own.keys)
    come = own.of(known)
    outcome = _outcome(model, parameters, come, rows, run)._replace(blocks=blocks(come.days))
    asked = np.stack([own.keys.view(np.int64), np.asarray(own.columns[MOMENT], "datetime64[us]").view(np.int64)])
    settings = run.config.monitoring or Monitoring()
    maturity = Maturity(settings.least, share(settings.mature))
    made = Made(own.days, known, _p(model, parameters, own.columns))
    days = [{"model_version": version, **line} for line in daily(made, outcome, maturity, run.config.seed)]
    profiles = _profiles(own, known, {run.config.label: rows[run.config.label]}, days)
    counted = f"{version}: {len(outcome.y):,} of {len(known):,} predictions have come true or not"
    few = Finding(TOO_FEW, f"{counted}: fewer than {settings.least}, too few to judge.")
    found = few if len(outcome.y) < settings.least else Finding("ok", f"{counted}.")
    part = Part(asked, np.flatnonzero(known), come.days, outcome)
    return Judgement(version, days, {}, [found], then, *profiles, part)


def _judged(own: Judgement, run: StageRun, *, by_slice: bool) -> Judgement:
    """With what all of it is worth, where enough has come true."""
    if own.part is None or any(finding.severity == TOO_FEW for finding in own.findings):
        return own
    outcome = own.part.outcome if by_slice else own.part.outcome._replace(slices={})
    whole, found = _measured(outcome, own.then, run)
    return own._replace(whole={"predicted": own.part.asked.shape[1], **whole}, findings=[*own.findings, *found])


def _measured(outcome: Outcome, then: Mapping[str, Any], run: StageRun) -> tuple[dict[str, Any], list[Finding]]:
    evaluate = run.config.evaluate
    whole = measured(outcome, Rules({}, {}, evaluate.replicates, run.config.seed))
    whole = {name: value for name, value in whole.items() if name not in ("verdict", "difference", "champion_metrics")}
    found = [*findings(whole, then, evaluate.floors), *calibration(outcome, whole, then)]
    return whole, found if outcome.blocks is not None else [_of_few_days(own) for own in found]


def _of_few_days(own: Finding) -> Finding:
    """Nobody knows yet how much days differ, so no such finding asks somebody to act."""
    if own.severity != "act":
        return own
    return Finding("watch", f"{own.sentence} It is of fewer than {ENOUGH} days, and days differ: to be watched.")


def _champions(models: Sequence[Judgement], run: StageRun) -> list[Judgement]:
    """Those that have been champion, the last first; not one that somebody asked for, or that was in the shadow."""
    order = list(dict.fromkeys(entry.to for entry in run.registry.log.newest(RECENT)))
    return sorted((own for own in models if own.version in order), key=lambda own: order.index(own.version))


def judged(models: Sequence[Judgement], run: StageRun) -> tuple[list[Judgement], set[str], Series | None]:
    """All models with what each is worth, those that are told of by themselves, and what champions served as a series.

    Champions that followed one another are told of together; the last of them by itself too, once it has served for
    days. The others are not measured by slice: nobody would see it.
    """
    were = _champions(models, run) or models
    together = _series(were, run)
    last = {own.version for own in were[:1] if own.part and own.part.outcome.blocks is not None}
    alone = last if together else {own.version for own in were}
    found = [_judged(own, run, by_slice=not together or own.version in alone) for own in models]
    return found, alone, together


def _series(models: Sequence[Judgement], run: StageRun) -> Series | None:
    """What champions served, the last first, as one model would have; None of one, and where too little is known."""
    parts = [(own.part, own.then) for own in models if own.part and len(own.part.places)]
    if len(parts) < 2:
        return None
    found = served([part for part, _ in parts])
    if len(found.outcome.y) < (run.config.monitoring or Monitoring()).least:
        return None
    was = promised([then for _, then in parts], found.rows)
    whole, told = _measured(found.outcome, was, run)
    come = f"{len(found.outcome.y):,} of {found.predicted:,} predictions have come true or not"
    return Series(whole, [Finding("ok", f"What {len(parts)} champions served: {come}."), *told], was)


def _profiles(
    own: Predicted, known: Mask, label: Columns, days: Sequence[Mapping[str, Any]]
) -> tuple[Profiles, Profiles]:
    """By day what was predicted, and of days that are mature what became true."""
    made = {name: column for name, column in own.columns.items() if name != MOMENT}
    mature = {day["day"] for day in days if day["state"] == "mature"}
    true = _by_day(own.days[known], label)
    return _by_day(own.days, made), {day: profile for day, profile in true.items() if day.date() in mature}


def _by_day(days: Days, columns: Columns) -> dict[dt.datetime, Profile]:
    rows = {day: np.flatnonzero(days == day) for day in np.unique(days)}
    start = {day: dt.datetime.combine(day.item(), dt.time(), dt.UTC) for day in rows}
    return {start[day]: Profile.of(take(columns, own)) for day, own in rows.items()}


def _outcome(model: type[Chain], parameters: Parameters, own: Predicted, rows: Columns, run: StageRun) -> Outcome:
    """Labels beside predictions, as the model's estimator has them."""
    classes = model.estimator.classes(parameters["estimator"])
    y = model.labels(parameters, rows[run.config.label])
    few = {name: column for name, column in rows.items() if name != run.config.label and _is_short(column)}
    return Outcome(y, _p(model, parameters, own.columns), few, model.estimator.predicts, classes)


def _p(model: type[Chain], parameters: Parameters, columns: Columns) -> Floats:
    """What `transform` gave, from the columns that it was stored as."""
    classes = model.estimator.classes(parameters["estimator"])
    each = [cast(Floats, columns[f"probability_{name}"]) for name in classes]
    return np.stack(each, axis=1) if classes else cast(Floats, columns["prediction"])


def _is_short(column: Column) -> bool:
    return isinstance(column, Category) and len(column.vocabulary) <= WORDS
