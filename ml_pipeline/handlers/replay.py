"""Replay: the records of a scoring run sent through the REST door, whose answers must be those of batch to the bit.

Training and serving run the same functions; this proves it of every record, each night. What is sent again is not
recorded again.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from ml_pipeline.artifacts.datasets import Dataset, open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import StageResult, run_key
from ml_pipeline.data import json_values
from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import DataError, NotFoundError, UsageError
from ml_pipeline.handlers.postprocess import RANK
from ml_pipeline.handlers.rest_door import RestDoor, opened
from ml_pipeline.handlers.stage_run import StageRun
from ml_pipeline.templates import BaseHandler

RECORDS = 1000
"""Records of a request; if all of them are set aside, the answer still lists each."""
SHOWN = 3
"""Differences that an error tells of."""
Row = Mapping[str, Any]
Score = Callable[[bytes], Mapping[str, Any]]
"""Sends records as JSON and gives what is answered."""


class Batch(NamedTuple):
    """What a scoring run left: the records it took, what it made of them, and what it set aside, by reason."""

    new: list[Dataset]
    predictions: Dataset
    scored: Dataset
    set_aside: Counter[str]

    @property
    def model_version(self) -> str:
        """The model that predicted."""
        version: str = self.predictions.manifest.made_from["model_version"]
        return version


class Answers(NamedTuple):
    """All answers to the records of a run: rows in order, what was set aside by reason, and how often was asked."""

    rows: list[Row]
    set_aside: Counter[str]
    requests: int


class Replayed(msgspec.Struct, frozen=True):
    """What was compared, and found to be the same."""

    use_case: str
    run_id: str
    as_of: dt.datetime
    model_version: str
    records: int
    scored: int
    set_aside: int
    left_out: int
    requests: int

    def __str__(self) -> str:
        others = f", {self.set_aside:,} set aside" if self.set_aside else ""
        others += f", {self.left_out:,} not in question" if self.left_out else ""
        return (
            f"{self.records:,} records of {self.use_case} as of {self.as_of.isoformat()}, in {self.requests} requests: "
            f"{self.scored:,} scored by {self.model_version} as in batch, to the last bit{others}."
        )


class ReplayHandler(BaseHandler):
    """Starts a REST server for the time it takes, sends it the records and compares; stores nothing."""

    @classmethod
    def model(cls, run: StageRun) -> Any:
        """What compares."""
        return compared

    @classmethod
    def load_data(cls, run: StageRun) -> Batch:
        """The records and what the run made of them."""
        for name in run.step.reads:
            run.datasets(name)
        return batch_of(run.store, run.config, run.request.run_id)

    @classmethod
    def is_stored(cls, run: StageRun, data: Batch) -> bool:
        return False

    @classmethod
    def apply(cls, model: Any, parameters: Any, data: Batch, run: StageRun) -> Replayed:
        """The answers of the server, compared."""
        run.about(data.model_version)
        with opened(run.config.name, run.request.store) as url:
            return replayed(run.use_case, data, run.request.run_id, run.request.as_of, RestDoor(url))

    @classmethod
    def store_output(cls, run: StageRun, data: Batch, output: Replayed) -> None:
        """How much was compared; a difference has stopped the stage before."""
        run.rows_in = output.records
        run.metrics |= {name: getattr(output, name) for name in ("scored", "set_aside", "left_out", "requests")}
        run.log.info("%s", output)


def batch_of(store: Store, config: UseCaseConfig, run_id: str) -> Batch:
    """What a scoring run left.

    Raises:
        UsageError: there is no such run, or it is not finished.
    """
    source = config.driving("online")
    new = _left(store, run_id, f"ingest.{source}", f"new.{source}")
    predictions = _left(store, run_id, "serve", "predictions")
    scored = _left(store, run_id, "postprocess", "scored")
    rejecting = [*_rejecting(store, run_id, f"prepare.{source}", f"prepared.{source}"), *scored]
    set_aside = Counter(_result(store, run_id, "combine").quarantined)
    for dataset in rejecting:
        set_aside += Counter(dataset.manifest.quarantined)
    return Batch(new, predictions[0], scored[0], set_aside)


def replayed(use_case: UseCase, batch: Batch, run_id: str, as_of: dt.datetime, door: RestDoor) -> Replayed:
    """The records of a run sent through a REST door, and all answers compared.

    Raises:
        DataError: an answer is not what batch made of the record; names the first ones.
    """
    config = use_case.config
    own = config.sources[config.driving("online")]
    names = [name for name in use_case.load(own.reader).types if name not in own.truth]
    sent = (bodies for dataset in batch.new for bodies in _bodies(dataset, names))
    answers = answered(sent, lambda body: door.score(config.name, body, as_of, batch.model_version))
    answers = _once_each(answers, config.key, own.revised)
    compared(batch, answers, config.key)
    records, aside = sum(dataset.manifest.rows for dataset in batch.new), batch.set_aside.total()
    left_out = records - batch.scored.manifest.rows - aside
    return Replayed(
        config.name, run_id, as_of, batch.model_version, records, len(answers.rows), aside, left_out, answers.requests
    )


def answered(bodies: Iterable[bytes], score: Score) -> Answers:
    """All requests, one after the other."""
    rows: list[Row] = []
    set_aside: Counter[str] = Counter()
    requests = 0
    for body in bodies:
        answer = score(body)
        rows += answer["predictions"]
        set_aside.update(each["reason"] for each in answer["set_aside"])
        requests += 1
    return Answers(rows, set_aside, requests)


def compared(batch: Batch, answers: Answers, key: str) -> None:
    """Return if all answers are those of batch.

    Args:
        batch: What the scoring run made.
        answers: What was answered, each key once.
        key: The column that names a record; where the postprocessing does not keep it, rows are compared in order.

    Raises:
        DataError: they differ; names the first differences.
    """
    differences = [*_rows_that_differ(batch.scored, answers.rows, key), *_reasons_that_differ(batch, answers)]
    if differences:
        raise DataError(
            f"the REST door answers otherwise than batch in {len(differences):,} places",
            given="; ".join(differences[:SHOWN]),
            expected=f"the {batch.scored.manifest.rows:,} rows of {batch.scored.key}, to the last bit",
            do="look for what the two do not share: other code, another configuration, a function that looks at more "
            "than one record, or at the clock",
        )


def _rows_that_differ(scored: Dataset, answered: Sequence[Row], key: str) -> Iterator[str]:
    columns = {name: json_values.of_column(column) for name, column in scored.columns().items() if name != RANK}
    expected = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    named = key in columns
    before = {row[key] if named else str(at): row for at, row in enumerate(expected)}
    now = {row.get(key) if named else str(at): row for at, row in enumerate(answered)}
    for name, row in before.items():
        if name in now:
            yield from _values_that_differ(name, row, now[name])
        else:
            yield f"{name}: not scored over REST"
    yield from (f"{name}: scored over REST alone" for name in now if name not in before)


def _values_that_differ(name: str, before: Row, now: Row) -> Iterator[str]:
    """Numbers are the same if they are written the same: -0.0 is not 0.0."""
    for column, value in before.items():
        if column not in now or msgspec.json.encode(now[column]) != msgspec.json.encode(value):
            yield f"{name}: {column} is {value!r} in batch and {now.get(column, 'not there')!r} over REST"


def _reasons_that_differ(batch: Batch, answers: Answers) -> Iterator[str]:
    """Why records were set aside; what batch leaves out without a reason must be as many over REST."""
    for reason, count in sorted(batch.set_aside.items()):
        if answers.set_aside[reason] != count:
            yield f"{reason}: {count:,} records in batch and {answers.set_aside[reason]:,} over REST"
    records = sum(dataset.manifest.rows for dataset in batch.new)
    left_out = records - batch.scored.manifest.rows - batch.set_aside.total()
    others = {reason: count for reason, count in answers.set_aside.items() if reason not in batch.set_aside}
    if sum(others.values()) != left_out:
        said = ", ".join(f"{reason} ({count:,})" for reason, count in sorted(others.items()))
        yield f"{left_out:,} records are not in question in batch, and over REST: {said or 'none'}"


def _once_each(answers: Answers, key: str, revised: bool) -> Answers:
    """Of rows with the same key, which came in several requests, the one that batch takes."""
    if not answers.rows or key not in answers.rows[0]:
        return answers
    ordered = reversed(answers.rows) if revised else answers.rows
    kept: dict[Any, Row] = {}
    for row in ordered:
        kept.setdefault(row[key], row)
    again = len(answers.rows) - len(kept)
    reason = "a later record has the key" if revised else f"{key} came before"
    return answers._replace(rows=list(kept.values()), set_aside=answers.set_aside + Counter({reason: again}))


def _bodies(dataset: Dataset, names: Sequence[str]) -> Iterator[bytes]:
    """Requests of bounded size; a dataset's parts are read one at a time."""
    for part in dataset.manifest.parts:
        table = dataset.table(part, names)
        for start in range(0, table.num_rows, RECORDS):
            yield msgspec.json.encode(json_values.of_table(table.slice(start, RECORDS), names))


def _rejecting(store: Store, run_id: str, step: str, name: str) -> list[Dataset]:
    """The datasets of a step that set records aside: such are stored, also where others pass through memory."""
    try:
        return _left(store, run_id, step, name)
    except NotFoundError:
        return []


def _left(store: Store, run_id: str, step: str, name: str) -> list[Dataset]:
    """What a step left under a name."""
    artifacts = [artifact for artifact in _result(store, run_id, step).artifacts if artifact.name == name]
    if not artifacts:
        raise _not_there(store, run_id, step)
    return [open_dataset(store, artifact.key) for artifact in artifacts]


def _result(store: Store, run_id: str, step: str) -> StageResult:
    try:
        return msgspec.json.decode(store.get(run_key(run_id, step)), type=StageResult)
    except NotFoundError as error:
        raise _not_there(store, run_id, step) from error


def _not_there(store: Store, run_id: str, step: str) -> UsageError:
    return UsageError(
        "there is no such scoring run to replay",
        given=f"run {run_id}, of which {step} has left nothing in {store.address('runs/')}",
        expected="a run of online scoring that is finished",
        do="run `ml-pipeline run USE_CASE online --as-of T` first, or name another --as-of or --run-id",
    )
