"""Monitor: what was predicted, judged by what has become true since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import numpy as np

from ml_pipeline.artifacts.datasets import Dataset, open_dataset
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Column, Columns, Floats
from ml_pipeline.config import Monitoring
from ml_pipeline.contract import StageResult
from ml_pipeline.data.joins import MOMENT
from ml_pipeline.data.splits import share
from ml_pipeline.durations import microseconds
from ml_pipeline.errors import NotFoundError, NothingToDo
from ml_pipeline.handlers import retraining, scored_runs
from ml_pipeline.handlers.drifting import drifted, told
from ml_pipeline.handlers.latest_records import latest
from ml_pipeline.handlers.predecessor import beside
from ml_pipeline.handlers.snapshots import folder_name
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.handlers.visits import visits
from ml_pipeline.models.evaluation import JUDGES, Rules
from ml_pipeline.monitoring.drift import Drift
from ml_pipeline.monitoring.health import Visit, health
from ml_pipeline.monitoring.performance import (
    TOO_FEW,
    Made,
    Maturity,
    Outcome,
    daily,
    findings,
    in_the_mean,
    measured,
    table,
)
from ml_pipeline.monitoring.severity import Finding, worst
from ml_pipeline.monitoring.truth import Predicted, Truth, hashed
from ml_pipeline.report.watch import Watched, render
from ml_pipeline.templates import BaseHandler, Parameters

WORDS = 200
"""Values of a column to slice by above which it is no slice: a metric of each would say nothing."""


FOLDER = "monitoring/"
"""Folder of the pages, by as-of."""


class Scored(NamedTuple):
    """What was predicted within the window, what is known by now, and the folder of what is made of both."""

    runs: list[tuple[StageResult, Dataset]]
    truth: list[Dataset]
    key: str


class Judgement(NamedTuple):
    """Of one model: its days, what all of them together are worth, and what there is to say of it."""

    version: str
    days: list[dict[str, Any]]
    whole: dict[str, Any]
    findings: list[Finding]


class Seen(NamedTuple):
    """All that a run of monitoring saw."""

    models: list[Judgement]
    compared: list[Finding]
    drift: Drift | None
    visits: list[Visit]

    @property
    def days(self) -> list[dict[str, Any]]:
        """A line a day and model."""
        return [day for own in self.models for day in own.days]

    def findings(self, at_most: float) -> list[Finding]:
        """What there is to say; `at_most` is the share that may be set aside."""
        own = [finding for one in self.models for finding in one.findings]
        return [*own, *self.compared, *told(self.drift), *health(self.visits, at_most)]


class MonitorHandler(BaseHandler):
    """Leaves a dataset with a row for each day and model, and a verdict with the severity and its reasons."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The use case's model."""
        return run.use_case.load(run.config.model)

    @classmethod
    def load_data(cls, run: StageRun) -> Scored:
        """Predictions and truth.

        Raises:
            NothingToDo: nothing was predicted within the window.
        """
        window, as_of = _settings(run).window, run.request.as_of
        since = as_of - dt.timedelta(microseconds=microseconds(window))
        found = [(result, open_dataset(run.store, own.key)) for result in scored_runs.between(run.store, since, as_of)
                 for own in result.artifacts if own.name == "predictions"]  # fmt: skip
        if not found:
            raise NothingToDo(
                f"nothing was predicted within {window}",
                given=f"up to {as_of.isoformat()}",
                do="nothing, if that is expected; else see why `online` did not run",
            )
        truth = run.datasets(f"prepared.{run.config.driving(run.request.mode)}")
        digests = [
            [[own.manifest.digest, result.as_of] for result, own in found],
            [own.manifest.digest for own in truth],
        ]
        return Scored(found, truth, run.key(*digests, as_of))

    @classmethod
    def is_stored(cls, run: StageRun, data: Scored) -> bool:
        return False  # it takes seconds, and its verdict stands in the result of this very run

    @classmethod
    def apply(cls, model: type[Chain], parameters: Parameters, data: Scored, run: StageRun) -> Seen:
        """Every model that predicted, the champion beside the one before it, and the data of the scoring runs."""
        predicted, results = _predicted(data, run), [result for result, _ in data.runs]
        truth = _truth(data, predicted, run)
        judged = [_judged(model, version, own, truth, run) for version, own in sorted(predicted.items())]
        compared = list(beside(model, results, truth, run))
        return Seen(judged, compared, drifted(model, results, run), visits(run.store, run.config, results))

    @classmethod
    def store_output(cls, run: StageRun, data: Scored, output: Seen) -> None:
        """The days as a dataset; the sentences as the verdict of the stage; both as a page."""
        run.rows_in = sum(dataset.manifest.rows for _, dataset in data.runs)
        run.reads += [dataset.artifact() for _, dataset in data.runs]
        writer = run.writer(data.key, "performance")
        writer.write(table(output.days))
        run.left(run.finish(writer, data.truth))
        found = output.findings(run.config.quarantine.share)
        page = render(_watched(run, output, found)).encode()
        run.store.put(f"{FOLDER}{folder_name(run.request.as_of)}/report.html", page)
        severity = worst(found)
        run.metrics = {own.version: own.whole for own in output.models}
        run.verdict = {"severity": severity, "passed": severity != "act", "reasons": [one.sentence for one in found]}
        for one in found:
            run.log.info("%s: %s", one.severity, one.sentence)
        if severity == "act":
            retraining.ask(run, [one.sentence for one in found if one.severity == "act"])


def _watched(run: StageRun, output: Seen, found: list[Finding]) -> Watched:
    then = {own.version: run.registry.metrics(own.version) for own in output.models}
    now = {own.version: own.whole for own in output.models}
    decides = JUDGES[run.use_case.load(run.config.model).estimator.predicts].decides
    facts = (run.request.as_of.isoformat(), found, output.days, now, then, decides)
    return Watched(run.config, *facts, output.visits, output.drift, sorted(run.synthetic))


def _settings(run: StageRun) -> Monitoring:
    return run.config.monitoring or Monitoring()


def _predicted(data: Scored, run: StageRun) -> dict[str, Predicted]:
    """By model version; of a key that a model predicted twice as of one moment, one."""
    found: dict[str, list[Predicted]] = {}
    zone = ZoneInfo(run.config.timezone)
    for result, dataset in data.runs:
        names = [name for name in dataset.manifest.columns if name not in (run.config.time, "model_version")]
        columns = dataset.columns([name for name in names if not name.startswith("reason")])
        keys = hashed(cast(Category, columns.pop(run.config.key)))
        days = np.full(len(keys), result.as_of.astimezone(zone).date(), "datetime64[D]")
        found.setdefault(result.model_version, []).append(Predicted(keys, days, columns))
    return {version: Predicted.once(own, MOMENT) for version, own in found.items()}


def _truth(data: Scored, predicted: Mapping[str, Predicted], run: StageRun) -> Truth:
    """Of keys that were predicted the label that is known last."""
    wanted = np.unique(np.concatenate([own.keys for own in predicted.values()]))
    key, label = run.config.key, run.config.label
    kept = [key, label, *(name for name in run.config.evaluate.slices if name != label)]

    def among(batch: Columns) -> Truth:
        return Truth.among({name: batch[name] for name in kept if name in batch}, key, label, wanted)

    return Truth.first(list(run.engine.map(among, latest(run, data.truth))))


def _judged(model: type[Chain], version: str, own: Predicted, truth: Truth, run: StageRun) -> Judgement:
    known, rows = truth.of(own.keys)
    counted = f"{version}: {int(known.sum()):,} of {len(known):,} predictions have come true or not"
    try:
        parameters = run.registry.parameters(version)
    except NotFoundError:
        return Judgement(version, [], {}, [Finding("watch", f"{version} predicted, but is stored no more.")])
    outcome, settings = _outcome(model, parameters, own.of(known), rows, run), _settings(run)
    maturity = Maturity(settings.least, share(settings.mature))
    made = Made(own.days, known, _p(model, parameters, own.columns))
    lines = daily(made, outcome, maturity, run.config.seed)
    days = [{"model_version": version, **line} for line in lines]
    if len(outcome.y) < settings.least:
        sentence = f"{counted}: fewer than {settings.least}, too few to judge."
        return Judgement(version, days, {}, [Finding(TOO_FEW, sentence)])
    evaluate = run.config.evaluate
    whole = measured(outcome, Rules({}, {}, evaluate.replicates, run.config.seed))
    whole = {name: value for name, value in whole.items() if name not in ("verdict", "difference", "champion_metrics")}
    found = list(findings(whole, run.registry.metrics(version), evaluate.floors))
    found = [Finding("ok", f"{counted}."), *found, *in_the_mean(outcome)]
    return Judgement(version, days, {"predicted": len(known), **whole}, found)


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
