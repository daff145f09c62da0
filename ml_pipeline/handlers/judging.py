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
from ml_pipeline.errors import IntegrityError, NotFoundError
from ml_pipeline.handlers.archive import Archive
from ml_pipeline.handlers.drifting import Profiles
from ml_pipeline.handlers.latest_records import latest
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.models.evaluation import Rules
from ml_pipeline.monitoring.calibration import calibration
from ml_pipeline.monitoring.performance import TOO_FEW, Made, Maturity, Outcome, daily, findings, measured
from ml_pipeline.monitoring.served import Part, promised, served
from ml_pipeline.monitoring.severity import Finding
from ml_pipeline.monitoring.truth import Days, Predicted, Truth, hashed
from ml_pipeline.templates import Parameters

WORDS = 200
"""Values of a column to slice by above which it is no slice: a metric of each would say nothing."""
Runs = Sequence[tuple[StageResult, Dataset]]
"""What serving left, and the predictions."""


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

    @property
    def total(self) -> int:
        """Predictions."""
        return sum(int(day["predicted"]) for day in self.days)


class Series(NamedTuple):
    """What champions served, one after the other: its worth, what there is to say of it, and what had been promised."""

    whole: dict[str, Any]
    findings: list[Finding]
    then: Mapping[str, Any]


def predictions(archive: Archive, runs: Runs, run: StageRun) -> dict[str, Predicted]:
    """By model version, as far as they can be read; of a key that a model predicted twice as of one moment, one."""
    found: dict[str, list[Predicted]] = {}
    zone = ZoneInfo(run.config.timezone)
    for result, dataset in runs:
        names = [name for name in dataset.manifest.columns if name not in (run.config.time, "model_version")]
        columns = archive.columns(dataset, [name for name in names if not name.startswith("reason")])
        if columns is None:
            continue
        keys = hashed(cast(Category, columns.pop(run.config.key)))
        days = np.full(len(keys), result.as_of.astimezone(zone).date(), "datetime64[D]")
        found.setdefault(result.model_version, []).append(Predicted(keys, days, columns))
    return {version: Predicted.once(own, MOMENT) for version, own in found.items()}


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
    known, rows = truth.of(own.keys)
    counted = f"{version}: {int(known.sum()):,} of {len(known):,} predictions have come true or not"
    try:
        parameters, then = run.registry.parameters(version), run.registry.metrics(version)
    except NotFoundError:
        return Judgement(version, [], {}, [Finding("watch", f"{version} predicted, but is stored no more.")])
    except IntegrityError as error:
        return Judgement(version, [], {}, [Finding("watch", f"{version} predicted, but cannot be read: {error}")])
    come = own.of(known)
    part = Part(come.keys, np.asarray(come.columns[MOMENT]), come.days, _outcome(model, parameters, come, rows, run))
    part = part._replace(outcome=served([part]))
    outcome = part.outcome
    settings = run.config.monitoring or Monitoring()
    maturity = Maturity(settings.least, share(settings.mature))
    made = Made(own.days, known, _p(model, parameters, own.columns))
    lines = daily(made, outcome, maturity, run.config.seed)
    days = [{"model_version": version, **line} for line in lines]
    profiles = _profiles(own, known, {run.config.label: rows[run.config.label]}, days)
    few = len(outcome.y) < settings.least
    found = Finding(TOO_FEW, f"{counted}: fewer than {settings.least}, too few to judge.")
    return Judgement(version, days, {}, [found if few else Finding("ok", f"{counted}.")], then, *profiles, part)


def _judged(own: Judgement, run: StageRun, *, by_slice: bool) -> Judgement:
    """With what all of it is worth, where enough has come true."""
    if own.part is None or any(finding.severity == TOO_FEW for finding in own.findings):
        return own
    outcome = own.part.outcome if by_slice else own.part.outcome._replace(slices={})
    whole, found = _measured(outcome, own.then, run)
    return own._replace(whole={"predicted": own.total, **whole}, findings=[*own.findings, *found])


def _measured(outcome: Outcome, then: Mapping[str, Any], run: StageRun) -> tuple[dict[str, Any], list[Finding]]:
    evaluate = run.config.evaluate
    whole = measured(outcome, Rules({}, {}, evaluate.replicates, run.config.seed))
    whole = {name: value for name, value in whole.items() if name not in ("verdict", "difference", "champion_metrics")}
    return whole, [*findings(whole, then, evaluate.floors), *calibration(outcome, whole, then)]


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
    known = [(own.part, own) for own in models if own.part and len(own.part.keys)]
    if len(known) < 2:
        return None
    outcome, then = served([part for part, _ in known]), [own.then for _, own in known]
    if len(outcome.y) < (run.config.monitoring or Monitoring()).least:
        return None
    was = promised(then, [len(part.keys) for part, _ in known])
    whole, found = _measured(outcome, was, run)
    predicted = sum(own.total for own in models)
    counted = (
        f"What {len(models)} champions served: {len(outcome.y):,} of {predicted:,} predictions have come true or not"
    )
    return Series(whole, [Finding("ok", f"{counted}."), *found], was)


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
