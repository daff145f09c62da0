"""Ingest: what a source has new becomes an immutable snapshot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np

from ml_pipeline.artifacts.datasets import MANIFEST, Dataset, open_dataset
from ml_pipeline.chain import run as run_chain
from ml_pipeline.columns import Column
from ml_pipeline.config import SourceConfig
from ml_pipeline.data import arrow
from ml_pipeline.data.conform import conform, drop
from ml_pipeline.data.sources import Source, Window
from ml_pipeline.durations import duration
from ml_pipeline.errors import NothingToDo
from ml_pipeline.handlers.snapshots import FORMAT, history, moment, snapshot_key
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import BaseHandler

Period = tuple[str, np.datetime64 | None, np.datetime64]
"""A column and the range (after, up to] of it that counts."""


class IngestHandler(BaseHandler):
    """Stores what became known since the last snapshot; online also the new records of the driving source."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The source's reader, which stands where other stages have a model."""
        return run.use_case.load(_config(run).reader)

    @classmethod
    def serve(cls, model: Any, run: StageRun) -> None:
        """Extend the history of the source, then take its new records where it drives and the run is online."""
        chain = cls.load_data(run)
        if not chain or moment(chain[-1]) != run.request.as_of:
            chain = cls._extend(model, chain, run)
        else:
            run.reused = True
        for snapshot in chain:
            run.left(snapshot, f"raw.{run.step.source}")
        if run.online and _config(run).drives:
            cls._take_new(model, run)

    @classmethod
    def load_data(cls, run: StageRun) -> list[Dataset]:
        """The snapshots there are."""
        chain = history(run.store, run.step.source, run.request.as_of)
        return chain if _config(run).known else chain[-1:]

    @classmethod
    def _extend(cls, reader: Source, chain: list[Dataset], run: StageRun) -> list[Dataset]:
        known = _config(run).known
        since = moment(chain[-1]) if chain and known else None
        period = (known, since and _stamp(since), _stamp(run.request.as_of)) if known else None
        key = snapshot_key(run.step.source, run.request.as_of)
        shared = chain[-1] if chain and not known else None
        made = cls._snapshot(reader, run, key, period, shared, since.strftime(FORMAT) if since else "")
        return [*chain, made] if known else [made]

    @classmethod
    def _take_new(cls, reader: Source, run: StageRun) -> None:
        config, as_of = run.config, run.request.as_of
        key = snapshot_key(f"{run.step.source}.new", as_of)
        start = _stamp(as_of) - np.timedelta64(1, "us")
        if run.store.exists(f"{key}/{MANIFEST}"):
            made = open_dataset(run.store, key)
        else:
            run.reused = False
            made = cls._snapshot(reader, run, key, (config.time, start, start + duration(config.ahead)), None, "", unlabelled=True)
        if not made.manifest.rows:
            raise NothingToDo(
                f"the source {run.step.source} has no records to score",
                given=f"{config.time} within {config.ahead} after {as_of.isoformat()}",
                do="nothing, if that is expected; else give another --as-of",
            )
        run.left(made, f"new.{run.step.source}")

    @classmethod
    def _snapshot(
        cls, reader: Source, run: StageRun, key: str, period: Period | None, shared: Dataset | None, since: str, unlabelled: bool = False
    ) -> Dataset:
        from ml_pipeline.artifacts.datasets import DatasetWriter

        source = run.step.source
        writer = DatasetWriter(run.store, key, f"raw.{source}", period and period[0], shared=shared)
        until = run.request.as_of
        example = None
        rows = 0
        window = Window(dt.datetime.strptime(since, FORMAT).replace(tzinfo=dt.UTC) if since else None, until)
        for table, rejects in _admitted(reader, window, source, run, period):
            if unlabelled:
                table = _without_truth(table, _config(run).truth)
            rows += table.num_rows + len(rejects)
            example = example or (rejects[0] if rejects else None)
            writer.write(table)
            writer.set_aside(rejects)
        run.guard(writer.quarantined, rows, example)
        run.rows_in += rows
        return writer.close({"source": source, "since": since, "as_of": until.isoformat()})


def _admitted(reader: Source, window: Window, source: str, run: StageRun, period: Period | None) -> Iterator[tuple[Any, Any]]:
    """Batches of the right types with the added columns, within the period, and the records to set aside."""
    for records in reader.read(window):
        table, rejects = conform(records.batch, reader.types, source)
        table = _with_added(table, reader)
        if period:
            table, undated, later = _within(table, period)
            rejects = [*rejects, *undated]
            run.metrics["not_yet_known"] = run.metrics.get("not_yet_known", 0) + later
        yield table, [*records.rejects, *rejects]


def _with_added(table: Any, reader: Source) -> Any:
    if not reader.adds:
        return table
    columns: dict[str, Column] = run_chain(reader.adds, arrow.to_columns(table))
    added = arrow.to_table({name: column for name, column in columns.items() if name not in table.column_names})
    for name in added.column_names:
        table = table.append_column(name, added.column(name))
    return table


def _within(table: Any, period: Period) -> tuple[Any, Any, int]:
    column, after, until = period
    times = np.asarray(arrow.to_column(table.column(column)))
    undated = dict.fromkeys(np.flatnonzero(np.isnat(times)).tolist(), f"{column} is missing")
    inside = (times <= until) & ((times > after) if after is not None else True)
    _, rejects = drop(table, undated)
    return table.filter(inside), rejects, int((times > until).sum())


def _without_truth(table: Any, truth: list[str]) -> Any:
    import pyarrow as pa

    for name in truth:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, pa.nulls(table.num_rows, table.schema.field(at).type))
    return table


def _config(run: StageRun) -> SourceConfig:
    return run.config.sources[run.step.source]


def _stamp(moment: dt.datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(dt.UTC).replace(tzinfo=None), "us")
