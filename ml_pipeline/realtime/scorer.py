"""One model version with the functions around it; nothing of it ever changes, so another takes its place at once."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np

from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.chain import Chain, Links, check_links, flow
from ml_pipeline.columns import Category, Column, Columns, Mask, count, missing, take
from ml_pipeline.data.arrow import first_rows
from ml_pipeline.data.joins import MATCHED, Join, Reference
from ml_pipeline.data.revisions import last_of_key
from ml_pipeline.discovery import UseCase
from ml_pipeline.durations import microseconds
from ml_pipeline.errors import FAULTS, DataError
from ml_pipeline.handlers.driving_rows import judged, still_open, with_moment
from ml_pipeline.handlers.postprocess import RANK
from ml_pipeline.handlers.serve import predictions
from ml_pipeline.realtime.preparing import LEFT_OUT, Preparing, places
from ml_pipeline.realtime.raw_records import PLACE, RawRecords, Taken
from ml_pipeline.realtime.set_aside import SetAside, all_bad
from ml_pipeline.templates import Parameters

log = logging.getLogger("ml_pipeline.realtime")
LABELLED = "its label is known already"
SUPERSEDED = "a later record of the request has its key"
NO_FAULT = {LEFT_OUT, LABELLED, SUPERSEDED}
"""Reasons for which a record is not scored although nothing is wrong with it."""


class Scored(NamedTuple):
    """What became of a request: `combined` rows, the `predictions` as they are stored, the `answer` for people."""

    combined: Columns
    predictions: Columns
    answer: Columns
    set_aside: list[SetAside]


class Functions:
    """What stands around any model of a use case: from raw records to what it reads, and from there to people."""

    def __init__(self, use_case: UseCase) -> None:
        self.config = use_case.config
        self.source = self.config.driving("online")
        self.own = self.config.sources[self.source]
        reader = use_case.load(self.own.reader)
        self.records = RawRecords(reader, self.source, self.own.truth)
        self.adds: Links = tuple(reader.adds)
        self.prepare = Preparing(use_case.load(self.own.prepare))
        self.postprocess = Preparing(use_case.load(self.config.postprocess))
        self.model: type[Chain] = use_case.load(self.config.model)
        self.prepare.check(check_links(self.adds, reader.types))

    def combined(
        self, taken: Taken, references: Sequence[Reference], as_of: dt.datetime
    ) -> tuple[Columns, list[SetAside]]:
        """Rows as the combine stage gives them, with `PLACE`, and what was set aside up to there."""
        dated, undated = self._dated(self._with_added(taken.columns))
        prepared, rejected = self.prepare(dated)
        rows, left = self._in_question(prepared)
        good, bad = judged(with_moment(rows, self.config, "online", as_of), self.config, "online", _first)
        joined = Join.transform(good, {"references": references})
        wrong = [SetAside(int(record[PLACE]), reason) for reason, record in bad]
        plain = {name: column for name, column in joined.items() if not name.startswith(MATCHED)}
        return plain, [*taken.set_aside, *undated, *rejected, *left, *wrong]

    def _with_added(self, columns: Columns) -> Columns:
        """With what the source adds to its records; of the truth nothing is known."""
        if not self.adds:
            return columns
        added = {name: column for name, column in flow(self.adds, columns).items() if name not in columns}
        return {**columns, **{name: _emptied(own) if name in self.own.truth else own for name, own in added.items()}}

    def _dated(self, columns: Columns) -> tuple[Columns, list[SetAside]]:
        """Ingestion takes no record that does not say when it is."""
        time = self.config.time
        if time not in columns or not (undated := missing(columns[time])).any():
            return columns, []
        bad = places(take({PLACE: columns[PLACE]}, undated))
        return take(columns, ~undated), [SetAside(place, f"{time} is missing") for place in bad]

    def _in_question(self, rows: Columns) -> tuple[Columns, list[SetAside]]:
        """Of revised records the last one of a key; and none whose label is known, where time may have passed."""
        left: list[SetAside] = []
        if self.own.revised:
            names = [self.config.key, *([self.own.former_keys] if self.own.former_keys else [])]
            last = last_of_key([[cast(Category, rows[name]) for name in names]])[0]
            left += _gone(rows, take(rows, last), SUPERSEDED)
            rows = take(rows, last)
        if microseconds(self.config.behind):
            still = still_open(rows, self.config.label)
            left += _gone(rows, still, LABELLED)
            rows = still
        return rows, left


@dataclass(frozen=True)
class Scorer:
    """A model version: its parameters, and the functions around it."""

    functions: Functions
    version: str
    parameters: Parameters
    synthetic: tuple[str, ...]

    @classmethod
    def of(cls, functions: Functions, registry: Registry, version: str) -> Scorer:
        """A stored model.

        Raises:
            NotFoundError: there is no such model.
            IntegrityError: its parameters are not those that training stored.
        """
        return cls(functions, version, registry.parameters(version), tuple(registry.model(version).synthetic))

    def score(self, taken: Taken, references: Sequence[Reference], as_of: dt.datetime) -> Scored:
        """Records through preparation, join, model and postprocessing.

        The answer to a record depends on that record alone, so its rank, which compares records, is missing. Only of
        records with the same key the first one is scored (or the last, where records are revised), as in batch.

        Raises:
            DataError: all records must be set aside, or they cannot be worked on.
        """
        try:
            with np.errstate(all="ignore"):
                return self._scored(taken, references, as_of)
        except FAULTS as error:
            log.exception("the records could not be scored")
            raise DataError(
                "the records cannot be scored",
                given=f"{type(error).__name__}: {error}",
                do="look for values that are far from any usual one, or mend the use case's functions",
            ) from error

    def predict(self, rows: Columns) -> dict[str, Column]:
        """What the model gives for combined rows, under the names that are stored.

        Raises:
            ChainError: a column is missing.
        """
        model = self.functions.model
        with np.errstate(all="ignore"):
            return model.named(self.parameters, model.transform(rows, self.parameters))

    def predictions(self, combined: Columns) -> dict[str, Column]:
        """Combined rows as the serve stage leaves them."""
        own = self.functions
        return predictions(combined, own.model, self.parameters, self.version, own.config)

    def _scored(self, taken: Taken, references: Sequence[Reference], as_of: dt.datetime) -> Scored:
        if not taken.sent:
            return Scored({}, {}, {}, [])
        combined, set_aside = self.functions.combined(taken, references, as_of)
        if not count(combined):
            return _nothing(set_aside)
        predicted = self.predictions(combined)
        everything = {**combined, **predicted, RANK: np.full(count(combined), np.nan)}
        answer, refused = self.functions.postprocess(everything)
        shown = {name: column for name, column in answer.items() if name != PLACE}
        return Scored(combined, predicted, shown, sorted([*set_aside, *refused], key=lambda each: each.record))


def _nothing(set_aside: list[SetAside]) -> Scored:
    """Raises: RejectedError: something is wrong with every record."""
    in_order = sorted(set_aside, key=lambda each: each.record)
    if all(each.reason not in NO_FAULT for each in in_order):
        raise all_bad(in_order)
    return Scored({}, {}, {}, in_order)


def _gone(before: Columns, after: Columns, reason: str) -> list[SetAside]:
    if count(before) == count(after):
        return []
    return [SetAside(place, reason) for place in sorted(set(places(before)) - set(places(after)))]


def _first(key: Category) -> Mask:
    """True for the first row of each key."""
    if len(key) == 1:
        return key.codes >= 0
    rows = first_rows(key.codes, len(key.vocabulary))
    first = np.zeros(len(key), np.bool_)
    first[rows[rows < len(key)]] = True
    return first


def _emptied(column: Column) -> Column:
    if isinstance(column, Category):
        return Category(np.full(len(column), -1, np.int32), ())
    return np.full(column.shape, np.datetime64("NaT", "us") if column.dtype.kind == "M" else np.nan)
