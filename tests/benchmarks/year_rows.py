"""What was predicted in a year, by the champion of each day and by the first of them, beside what became true."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from ml_pipeline.artifacts.datasets import open_dataset
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.chain import Chain
from ml_pipeline.columns import Category, Floats, missing, take
from ml_pipeline.contract import StageResult
from ml_pipeline.discovery import UseCase
from ml_pipeline.handlers import scored_runs
from ml_pipeline.handlers.archive import Archive
from ml_pipeline.models.evaluation import CANDIDATE, CHAMPION, Rules, Scored, measure
from ml_pipeline.monitoring.served import ENOUGH
from ml_pipeline.monitoring.truth import Days, Truth, hashed

REPLICATES, SEED = 200, 1


class Rows(NamedTuple):
    """Scored flights: their day, whether they were late, what the champion said and what the first model says."""

    days: Days
    y: Floats
    champion: Floats
    first: Floats

    def of(self, begin: dt.date, end: dt.date) -> Rows:
        """Those of the days from one to before another."""
        own = (self.days >= np.datetime64(begin)) & (self.days < np.datetime64(end))
        return Rows(*(column[own] for column in self))

    def measured(self) -> dict[str, Any]:
        """Both on the same rows, with intervals, and the paired difference: the champions' less the first's.

        Rows of a day resemble one another: whole days are drawn, where there are several.
        """
        days, of_day = np.unique(self.days, return_inverse=True)
        predictions, blocks = {CANDIDATE: self.champion, CHAMPION: self.first}, of_day if len(days) >= ENOUGH else None
        return measure(Scored(self.y, predictions, {}, blocks=blocks), Rules({}, {}, REPLICATES, SEED))


def rows(store: Store, use_case: UseCase, span: tuple[dt.datetime, dt.datetime], truth: Sequence[str]) -> Rows:
    """All that were scored as of moments of the span and have come true or not, as datasets of prepared flights say."""
    model: type[Chain] = use_case.load(use_case.config.model)
    registry = Registry(store)
    first = registry.parameters(registry.promotions()[0].to)
    key, label = use_case.config.key, use_case.config.label
    known = _known(store, truth, key, label)

    def of_day(run: StageResult) -> Rows:
        combined = open_dataset(store, _key(run.reads, "combined")).columns([key, *model.inputs()])
        predicted = open_dataset(store, _key(run.artifacts, "predictions")).columns([key, "prediction"])
        both = [hashed(cast(Category, columns[key])) for columns in (combined, predicted)]
        if not np.array_equal(*both):
            raise ValueError(f"{run.run_id} has not predicted the rows that it read, in their order")
        true, found = known.of(both[0])
        y = np.asarray(model.labels(first, found[label]), np.float64)
        day = np.full(len(y), run.as_of.astimezone(dt.UTC).date(), "datetime64[D]")
        again = np.asarray(model.transform(combined, first))
        return Rows(day, y, cast(Floats, predicted["prediction"])[true], again[true])

    every = [of_day(run) for run in scored_runs.between(Archive(store), *span)]
    return Rows(*(np.concatenate(columns) for columns in zip(*every, strict=True)))


def weeks(found: Rows) -> Iterator[tuple[dt.date, dict[str, Any]]]:
    """Monday of each week of which any was scored, and both models on its rows."""
    first, last = (cast(dt.date, found.days[end].astype(object)) for end in (0, -1))
    begin = first - dt.timedelta(first.weekday())
    while begin <= last:
        own = found.of(begin, begin + dt.timedelta(7))
        if len(own.y):
            yield begin, own.measured()
        begin += dt.timedelta(7)


def _known(store: Store, datasets: Sequence[str], key: str, label: str) -> Truth:
    """Labels by key, as far as there are any."""
    parts = []
    for load in (load for one in datasets for load in open_dataset(store, one).batches([key, label])):
        batch = load()
        rows = ~missing(batch[label])
        parts.append(Truth(hashed(cast(Category, batch[key]))[rows], {label: take(batch, rows)[label]}))
    return Truth.first(parts)


def _key(artifacts: Sequence[Any], name: str) -> str:
    return next(own.key for own in artifacts if own.name == name)
