"""Ingest: what a source has new becomes an immutable snapshot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ml_pipeline.artifacts.datasets import MANIFEST, Dataset, DatasetWriter, open_dataset
from ml_pipeline.artifacts.progress import Progress
from ml_pipeline.config import SourceConfig
from ml_pipeline.data.intake import Admitted, Period, admit
from ml_pipeline.data.sources import Source, Window
from ml_pipeline.durations import duration
from ml_pipeline.errors import NothingToDo
from ml_pipeline.handlers import unlearnt
from ml_pipeline.handlers.snapshots import folder_name, history, moment, snapshot_key
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import BaseHandler


class Extract(NamedTuple):
    """A snapshot of this run: where it lies, what belongs in it, and the dataset once it is stored."""

    artifact: str
    key: str
    window: Window
    period: Period | None
    shared: Dataset | None
    truth: tuple[str, ...]
    stored: Dataset | None


class IngestHandler(BaseHandler):
    """Stores what became known since the last snapshot; online also the new records of the driving source.

    Where learning goes on, what is new to the champion is left under a name of its own.
    """

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The source's reader, which stands where other stages have a model."""
        return run.use_case.load(_config(run).reader)

    @classmethod
    def load_data(cls, run: StageRun) -> list[Extract]:
        """The snapshots this run needs, oldest first; those that are stored hold their dataset."""
        names = [name.partition(".")[0] for name in run.step.writes]
        if unlearnt.START in names:
            run.about(unlearnt.champion(run.config, run.registry))
        upcoming = [_upcoming(run)] if "new" in names and run.online else []
        return [*(_past(run) if "raw" in names else []), *upcoming]

    @classmethod
    def is_stored(cls, run: StageRun, data: list[Extract]) -> bool:
        if any(extract.stored is None for extract in data):
            return False
        cls.store_output(run, data, ())
        return True

    @classmethod
    def apply(cls, model: Source, parameters: Any, data: list[Extract], run: StageRun) -> Iterator[Iterator[Admitted]]:
        """For each missing snapshot its records, checked and cut to the period."""
        for extract in data:
            if extract.stored is None:
                yield admit(model, run.step.source, extract.window, extract.period, extract.truth)

    @classmethod
    def store_output(cls, run: StageRun, data: list[Extract], output: Any) -> None:
        """Write what is missing; a run without records to score, or to learn, has nothing to do."""
        batches, whole = iter(output), list[Dataset]()
        for extract in data:
            made = extract.stored or _write(run, extract, next(batches))
            if extract.window.progress and not extract.stored:
                extract.window.progress.clear()
            if extract.artifact.startswith("new.") and not made.manifest.rows:
                raise NothingToDo(
                    f"the source {run.step.source} has no records to score",
                    given=f"{run.config.time} from {run.config.behind} before to {run.config.ahead} after "
                    f"{run.request.as_of.isoformat()}",
                    do="nothing, if that is expected; else give another --as-of",
                )
            run.left(made, extract.artifact)
            whole.append(made)
        if f"{unlearnt.START}.{run.step.source}" in run.step.writes:
            unlearnt.leave(run, whole)


def _write(run: StageRun, extract: Extract, batches: Iterator[Admitted]) -> Dataset:
    name = f"raw.{run.step.source}"
    writer = DatasetWriter(run.store, extract.key, name, extract.period and extract.period.column)
    if extract.shared:
        writer.share(extract.shared)
    delivered, later, synthetic, example = 0, 0, False, None
    for admitted in batches:
        delivered, later = delivered + admitted.delivered, later + admitted.later
        synthetic |= admitted.synthetic
        example = example or (admitted.rejects[0] if admitted.rejects else None)
        writer.write(admitted.table)
        writer.set_aside(admitted.rejects)
    run.guard(writer.quarantined, delivered, example)
    run.rows_in += delivered
    run.metrics["not_yet_known"] = run.metrics.get("not_yet_known", 0) + later
    since = folder_name(extract.window.since) if extract.window.since else ""
    made_from = {
        "source": run.step.source,
        "since": since,
        "as_of": run.request.as_of.isoformat(),
        "system_version": run.system.digest[:16],
    }
    return writer.close(made_from | ({"synthetic": [run.step.source]} if synthetic else {}))


def _past(run: StageRun) -> list[Extract]:
    """The snapshots of all that was known, the last of them perhaps still to be made.

    Where records were sent to be learnt, nobody waits for a source: what was known of it last will do.
    """
    chain = history(run.store, run.step.source, run.request.as_of)
    known = [_stored(run, snapshot) for snapshot in (chain if _config(run).known else chain[-1:])]
    complete = chain and (moment(chain[-1]) == run.request.as_of or unlearnt.of_sent(run))
    return known if complete else [*(known if _config(run).known else []), _since(run, chain)]


def _stored(run: StageRun, snapshot: Dataset) -> Extract:
    return Extract(f"raw.{run.step.source}", snapshot.key, Window(None, moment(snapshot)), None, None, (), snapshot)


def _since(run: StageRun, chain: list[Dataset]) -> Extract:
    """What became known after the last snapshot; a source that does not say when is read whole, and shares parts.

    Of the one that drives, rows whose time has not come are not known then.
    """
    known, as_of = _config(run).known, run.request.as_of
    since = moment(chain[-1]) if chain and known else None
    cut = known or (run.config.time if _config(run).drives else None)
    period = Period(cut, _stamp(since) if since else None, _stamp(as_of)) if cut else None
    key = snapshot_key(run.step.source, as_of)
    return Extract(
        f"raw.{run.step.source}",
        key,
        _window(run, since, key),
        period,
        chain[-1] if chain and not known else None,
        (),
        None,
    )


def _upcoming(run: StageRun) -> Extract:
    """The records to score: those whose time lies ahead, or not long behind, without what will be known only later."""
    key = snapshot_key(f"{run.step.source}.new", run.request.as_of)
    start = _stamp(run.request.as_of) - np.timedelta64(1, "us")
    period = Period(run.config.time, start - duration(run.config.behind), start + duration(run.config.ahead))
    stored = open_dataset(run.store, key) if run.store.exists(f"{key}/{MANIFEST}") else None
    return Extract(
        f"new.{run.step.source}", key, _window(run, None, key), period, None, tuple(_config(run).truth), stored
    )


def _window(run: StageRun, since: dt.datetime | None, key: str) -> Window:
    address = run.use_case.address(run.step.source, run.request.store)
    return Window(since, run.request.as_of, address, Progress(run.store, f"pulls/{key.removeprefix('raw/')}/"))


def _config(run: StageRun) -> SourceConfig:
    return run.config.sources[run.step.source]


def _stamp(moment: dt.datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(dt.UTC).replace(tzinfo=None), "us")
