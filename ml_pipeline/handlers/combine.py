"""Combine: the other sources joined to the driving one, each as known at the moment of prediction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import accumulate
from typing import Any, NamedTuple, cast

import numpy as np

from ml_pipeline.artifacts.datasets import Dataset
from ml_pipeline.columns import Category, Column, Columns, Mask, concat, count, missing, take
from ml_pipeline.config import Join as JoinConfig
from ml_pipeline.data import arrow
from ml_pipeline.data.joins import MATCHED, Join, Reference
from ml_pipeline.data.seen import Seen
from ml_pipeline.data.spilled_join import LargeReference, SpilledReference, size_in_memory
from ml_pipeline.data.spilling_query import Limits
from ml_pipeline.durations import duration
from ml_pipeline.errors import DataError, NothingToDo
from ml_pipeline.handlers import unlearnt
from ml_pipeline.handlers.driving_rows import judged, still_open, with_moment
from ml_pipeline.handlers.latest_records import latest
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.stopwatch import timed
from ml_pipeline.templates import BaseHandler, Parameters

Load = Callable[[], dict[str, Column]]
IN_MEMORY = 1 / 4
"""Share of a stage's memory that other sources may take as columns: to index them takes up to three times as much."""
DUCKDB = 1 / 3
"""Share of a stage's memory that DuckDB may take: a quarter of a gigabyte comes to it for batches on their way."""


class Prepared(NamedTuple):
    """The prepared datasets of every source, records that were learnt before, and the folder of what is made of all."""

    sources: dict[str, list[Dataset]]
    learnt: list[Dataset]
    key: str

    @property
    def all(self) -> list[Dataset]:
        """Of all sources, without those that are only looked at so that nothing is learnt again."""
        return [dataset for datasets in self.sources.values() for dataset in datasets]


class CombineHandler(BaseHandler):
    """Exactly one row out per row in, save those without key, time or label and those whose key came before."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """The join."""
        return Join

    @classmethod
    def load_data(cls, run: StageRun) -> Prepared:
        """All prepared datasets."""
        sources = {name: run.datasets(f"prepared.{name}") for name in _sources(run)}
        learnt = run.datasets_if_any(f"learnt.{run.config.driving(run.request.mode)}")
        digests = {name: [dataset.manifest.digest for dataset in datasets] for name, datasets in sources.items()}
        moment = run.request.as_of if run.online else ""
        before = [[dataset.manifest.digest for dataset in learnt]] if learnt else []
        return Prepared(sources, learnt, run.key(digests, run.request.mode, moment, *before))

    @classmethod
    def is_stored(cls, run: StageRun, data: Prepared) -> bool:
        return run.found(data.key)

    @classmethod
    def load_params(cls, model: Any, run: StageRun) -> Parameters:
        """The other sources, indexed, save those that are too large for it."""
        driving = run.config.driving(run.request.mode)
        others = [name for name in _sources(run) if name != driving]
        stored = {name: run.datasets(f"prepared.{name}") for name in others}
        large = _large(run, stored)
        return {"references": [_reference(run, name, stored[name], name in large) for name in others]}

    @classmethod
    def apply(cls, model: Any, parameters: Parameters, data: Prepared, run: StageRun) -> Iterator[Columns]:
        """Joined batches."""
        loads = latest(run, data.sources[run.config.driving(run.request.mode)])
        if run.online and duration(run.config.behind):
            loads = [_still_open(load, run.config.label) for load in loads]
        loads = [_with_moment(load, run) for load in loads]
        if run.learning:
            loads = _unlearnt(run, loads, data.learnt)
        with ExitStack() as disk:
            references = [_joinable(reference, loads, disk, run) for reference in parameters["references"]]
            run.metrics["duplicates"] = {r.name: r.duplicates for r in references if r.duplicates}

            def joined(number: int) -> Columns:
                found: Columns = model.transform(loads[number](), {"references": [r.batch(number) for r in references]})
                return found

            yield from run.engine.ordered(joined, range(len(loads)))

    @classmethod
    def store_output(cls, run: StageRun, data: Prepared, output: Iterator[Columns]) -> None:
        """Write the good rows, set the others aside, count what had no match."""
        writer = run.writer(data.key, "combined")
        seen, matched, example = Seen(), Counter[str](), None
        for batch in output:
            good, rejects = judged(batch, run.config, run.request.mode, seen.first)
            run.rows_in += count(batch)
            example = example or (rejects[0] if rejects else None)
            for name in [name for name in good if name.startswith(MATCHED)]:
                matched[name.removeprefix(MATCHED)] += int(np.sum(np.asarray(good.pop(name))))
            writer.write(good)
            writer.set_aside(rejects)
        if not unlearnt.of_sent(run):
            run.guard(writer.quarantined, run.rows_in, example)
        _report(run, writer.rows, matched)
        run.left(run.finish(writer, data.all))


def _sources(run: StageRun) -> list[str]:
    """Those that are joined, and the one that drives."""
    return [name.partition(".")[2] for name in run.step.reads if name.startswith("prepared.")]


def _report(run: StageRun, rows: int, matched: Counter[str]) -> None:
    if not rows and run.request.mode != "offline":
        what = "score" if run.online else "learn"
        raise NothingToDo(
            f"no rows are left to {what}", given=str(dict(run.quarantined)), do="nothing, if that is expected"
        )
    if not rows:
        raise DataError(
            "no rows are left to combine",
            given=str(dict(run.quarantined)),
            do="give a later --as-of, or mend the source",
        )
    run.metrics["unmatched"] = {name: rows - found for name, found in matched.items()}
    unmatched = ", ".join(f"{name} {n:,}" for name, n in run.metrics["unmatched"].items())
    run.log.info("%s rows; unmatched: %s", f"{rows:,}", unmatched or "no other sources")


def _large(run: StageRun, stored: Mapping[str, list[Dataset]]) -> set[str]:
    """The sources that go beyond the room for sources in memory, where the smallest come first."""
    sizes = {name: sum(map(_size, datasets)) for name, datasets in stored.items()}
    ascending = sorted(sizes, key=lambda name: sizes[name])
    totals = accumulate(sizes[name] for name in ascending)
    room = IN_MEMORY * run.config.resources.memory_bytes
    large = {name for name, total in zip(ascending, totals, strict=True) if total > room}
    for name in sorted(large):
        run.log.info("%s is joined on disk: in memory it would take about %d MB", name, sizes[name] >> 20)
    return large


def _size(dataset: Dataset) -> int:
    return size_in_memory(dataset.manifest.schema(), dataset.manifest.rows, dataset.manifest.bytes)


def _reference(run: StageRun, name: str, stored: list[Dataset], large: bool) -> Reference | LargeReference:
    join = cast(JoinConfig, run.config.sources[name].join)
    if not large:
        return Reference.of(name, concat([dataset.columns() for dataset in stored]), join)
    empty = arrow.to_columns(stored[0].empty())
    return LargeReference.of(
        name, empty, join, lambda names: [load for dataset in stored for load in dataset.batches(names)]
    )


def _joinable(
    reference: Reference | LargeReference, loads: Sequence[Load], disk: ExitStack, run: StageRun
) -> Reference | SpilledReference:
    """The reference for all batches: one that is large is joined before the first of them."""
    if isinstance(reference, Reference):
        return reference
    limits = Limits(int(DUCKDB * run.config.resources.memory_bytes), run.engine.workers)
    with timed("compute"):
        return disk.enter_context(closing(reference.join(loads, limits)))


def _still_open(load: Load, label: str) -> Load:
    return lambda: still_open(load(), label)


def _unlearnt(run: StageRun, loads: Sequence[Load], learnt: Sequence[Dataset]) -> list[Load]:
    """Of the rows whose label is known those that were not learnt before; how many are not is a metric."""
    key, label, before = run.config.key, run.config.label, _labelled_keys(run, learnt)

    def marks(batch: Columns) -> tuple[Mask, Mask]:
        return missing(batch[label]), before.knows(cast(Category, batch[key]))

    marked = list(run.engine.map(marks, loads))
    run.metrics["unlabelled"] = sum(int(np.sum(unlabelled)) for unlabelled, _ in marked)
    run.metrics["learnt_before"] = sum(int(np.sum(known & ~unlabelled)) for unlabelled, known in marked)
    return [
        lambda load=load, wanted=~(unlabelled | known): take(load(), wanted)  # type: ignore[misc]
        for load, (unlabelled, known) in zip(loads, marked, strict=True)
    ]


def _labelled_keys(run: StageRun, datasets: Sequence[Dataset]) -> Seen:
    """The keys of all rows that have a label."""
    seen = Seen()
    for dataset in datasets:
        for load in dataset.batches([run.config.key, run.config.label]):
            batch = load()
            seen.first(cast(Category, batch[run.config.key][~missing(batch[run.config.label])]))
    return seen


def _with_moment(load: Load, run: StageRun) -> Load:
    """Adds the moment of prediction to a batch of driving rows."""
    return lambda: with_moment(load(), run.config, run.request.mode, run.request.as_of)
