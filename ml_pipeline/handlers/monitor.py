"""Monitor: what was predicted, judged by what has become true since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.artifacts.versions import fingerprint
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Column
from ml_pipeline.config import Monitoring
from ml_pipeline.contract import StageResult
from ml_pipeline.durations import microseconds
from ml_pipeline.errors import IntegrityError, NothingToDo
from ml_pipeline.handlers import going_back, monitoring_summary, retraining, scored_runs
from ml_pipeline.handlers.archive import Archive
from ml_pipeline.handlers.drifting import Drifted, of_inputs, of_predictions, of_truth, told
from ml_pipeline.handlers.judging import Judgement, Series, joined, judged, predictions, truth_of
from ml_pipeline.handlers.monitoring_summary import FOLDER, model_summary
from ml_pipeline.handlers.predecessor import Beside, beside
from ml_pipeline.handlers.snapshots import folder_name
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.handlers.visits import visits
from ml_pipeline.models.evaluation import JUDGES
from ml_pipeline.monitoring import history
from ml_pipeline.monitoring.drift import Drift
from ml_pipeline.monitoring.health import health, readings
from ml_pipeline.monitoring.performance import table
from ml_pipeline.monitoring.schema_change import changes
from ml_pipeline.monitoring.severity import Finding, worst
from ml_pipeline.monitoring.truth import Truth
from ml_pipeline.monitoring.visit import COMBINED, Visit
from ml_pipeline.report.watch import Watched, render
from ml_pipeline.templates import BaseHandler, Parameters

HARDLY = 0.01
"""Labels of keys that were predicted for one of a key that was not: of fewer, keys do not meet."""


class Scored(NamedTuple):
    """What was predicted within the window, what is known by now, the folder of what is made of both, and the store of
    all that earlier runs left."""

    runs: list[tuple[StageResult, Dataset]]
    truth: list[Dataset]
    key: str
    archive: Archive


class Seen(NamedTuple):
    """All that a run of monitoring saw."""

    models: list[Judgement]
    alone: set[str]
    series: Series | None
    compared: Beside | None
    drifted: list[Drifted]
    visits: list[Visit]
    others: list[Finding]

    @property
    def days(self) -> list[dict[str, Any]]:
        """A line a day and model."""
        return [day for own in self.models for day in own.days]

    @property
    def drift(self) -> Drift | None:
        """Of what was predicted from."""
        return next((own.drift for own in self.drifted if own.source == COMBINED), None)

    @property
    def history(self) -> list[history.Line]:
        """Data and drift over time."""
        data = [history.of_reading(own) for own in readings(self.visits)]
        changed = [history.of_change(own) for own in changes(self.visits)]
        return [*data, *changed, *(line for own in self.drifted for line in own.lines)]

    def findings(self, compared: Sequence[Finding], at_most: float) -> list[Finding]:
        """What there is to say, `compared` with the model before too; `at_most` is the share that may be set aside.

        Of several champions that followed one another, and of the last of them once it has served for days; of a model
        that cannot be read; not of one that somebody asked for, or that was in the shadow.
        """
        own = [
            finding for one in self.models if one.part is None or one.version in self.alone for finding in one.findings
        ]
        own = [*(self.series.findings if self.series else ()), *own]
        drifted = [finding for one in self.drifted for finding in told(one)]
        return [*own, *compared, *drifted, *health(self.visits, at_most), *self.others]


class MonitorHandler(BaseHandler):
    """Leaves days and models as one dataset, data and drift as another, and a verdict: the severity and its reasons."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The use case's model."""
        return run.use_case.load(run.config.model)

    @classmethod
    def load_data(cls, run: StageRun) -> Scored:
        """Predictions and truth.

        Raises:
            NothingToDo: nothing was predicted within the window.
            IntegrityError: nothing of what was can be read.
        """
        window, as_of = _settings(run).window, run.request.as_of
        since = as_of - dt.timedelta(microseconds=microseconds(window))
        archive = Archive(run.store)
        found = [(result, dataset) for result in scored_runs.between(archive, since, as_of) for own in result.artifacts
                 if own.name == "predictions" and (dataset := archive.dataset(own.key))]  # fmt: skip
        if not found and archive.damaged:
            raise _unreadable(archive)
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
        return Scored(found, truth, run.key(*digests, as_of), archive)

    @classmethod
    def is_stored(cls, run: StageRun, data: Scored) -> bool:
        return False  # it takes seconds, and its verdict stands in the result of this very run

    @classmethod
    def apply(cls, model: type[Chain], parameters: Parameters, data: Scored, run: StageRun) -> Seen:
        """Every model that predicted, the champion beside the one before it, and the data of the scoring runs."""
        predicted, results = predictions(data.archive, data.runs, run), [result for result, _ in data.runs]
        if not predicted:
            raise _unreadable(data.archive)
        truth = truth_of(data.runs, data.truth, predicted, run)
        models = [joined(model, version, own, truth, run) for version, own in sorted(predicted.items())]
        models, alone, series = judged(models, run)
        drifted = [
            of_inputs(model, data.archive, results, run),
            of_predictions({own.version: own.predicted for own in models}, run),
            of_truth({own.version: own.true for own in models}, run),
        ]
        seen = visits(data.archive, run.config, results)
        compared = beside(model, data.archive, results, truth, run)
        others = [*_of_truth(truth, run), *_left_out(data.archive, run)]
        return Seen(models, alone, series, compared, [own for own in drifted if own], seen, others)

    @classmethod
    def store_output(cls, run: StageRun, data: Scored, output: Seen) -> None:
        """The days as a dataset; the sentences as the verdict of the stage; both as a page."""
        run.rows_in = sum(dataset.manifest.rows for _, dataset in data.runs)
        run.reads += [dataset.artifact() for _, dataset in data.runs]
        _leave(run, data, "performance", table(output.days))
        _leave(run, data, "health", history.table(output.history))
        found = output.findings(going_back.settled(run, output.compared), run.config.quarantine.share)
        page = render(_watched(run, output, found)).encode()
        run.store.put(f"{FOLDER}{folder_name(run.request.as_of)}/report.html", page)
        severity = worst(found)
        monitoring_summary.leave(run, severity, _models(output, run), output.drift)
        run.metrics = {own.version: own.whole for own in output.models}
        urgent = [one.sentence for one in found if one.severity == severity]
        said = {"reasons": [one.sentence for one in found], "urgent": urgent}
        run.verdict = {"severity": severity, "passed": severity != "act", **said}
        for one in found:
            run.log.info("%s: %s", one.severity, one.sentence)
        if severity == "act":
            retraining.ask(run, urgent)


def _decides(run: StageRun) -> str:
    return JUDGES[run.use_case.load(run.config.model).estimator.predicts].decides


def _models(output: Seen, run: StageRun) -> dict[str, monitoring_summary.ModelSummary]:
    return {one.version: model_summary(one.days, one.whole.get("metrics", {}), _decides(run)) for one in output.models}


def _watched(run: StageRun, output: Seen, found: list[Finding]) -> Watched:
    then = {own.version: own.then for own in output.models}
    now = {own.version: own.whole for own in output.models}
    facts = (run.request.as_of.isoformat(), found, output.days, now, then, _decides(run))
    drifts = {own.source: own.drift for own in output.drifted}
    series = (output.series.whole, output.series.then) if output.series else None
    return Watched(run.config, *facts, output.visits, drifts, sorted(run.synthetic), series)


def _leave(run: StageRun, data: Scored, name: str, columns: Mapping[str, Column]) -> None:
    """What was seen; what other runs left since, damaged or repaired, makes another dataset."""
    plain = [own.values() if isinstance(own, Category) else own.tolist() for own in columns.values()]
    writer = run.writer(run.key(data.key, fingerprint([[str(value) for value in own] for own in plain])), name)
    writer.write(columns)
    run.left(run.finish(writer, data.truth))


def _settings(run: StageRun) -> Monitoring:
    return run.config.monitoring or Monitoring()


def _unreadable(archive: Archive) -> IntegrityError:
    key, error = next(iter(archive.damaged.items()))
    what, do = "nothing of what was predicted can be read", "restore the object, or score these days again"
    return IntegrityError(what, given=f"{key}: {error}", do=do)


def _of_truth(truth: Truth, run: StageRun) -> Iterator[Finding]:
    """Labels that belong to no prediction; where none does, keys are probably written in two ways."""
    if not truth.others:
        return
    told = f"{truth.others:,} labels of the time that was scored are of keys that nobody predicted"
    if len(truth.keys) > HARDLY * truth.others or truth.others < _settings(run).least:
        yield Finding("ok", f"{told}.")
        return
    see = f"See whether {run.config.key} is written alike where records are scored and where they come true."
    yield Finding("watch", f"{told}, and {len(truth.keys):,} of one that somebody did. {see}")


def _left_out(archive: Archive, run: StageRun) -> Iterator[Finding]:
    """What cannot be read, and runs of later days."""
    yield from archive.findings()
    if later := scored_runs.later(run.store, run.request.as_of):
        told = f"There are scoring runs of {len(later)} days after the as-of, to {later[-1]}: they are left out"
        yield Finding("ok", f"{told}. Where nobody looks back on purpose, a clock is wrong.")
