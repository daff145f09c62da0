"""Labelled records that are sent, rather than ingested: kept, then learnt by a run like any other."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec

from ml_pipeline.artifacts.datasets import Dataset, DatasetWriter
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.chain import Links
from ml_pipeline.connectors.json_records import MARK, NOT_JSON, Broken, decode
from ml_pipeline.contract import StageRequest, StageResult
from ml_pipeline.data.intake import admit
from ml_pipeline.data.sources import Records, Types, Window
from ml_pipeline.discovery import UseCase
from ml_pipeline.handlers import unlearnt
from ml_pipeline.realtime.raw_records import RawRecords
from ml_pipeline.run import Progress, default_run_id, run
from ml_pipeline.stages import steps


class Sent:
    """The records of a request as a source, those of a shape that no record has set aside.

    Raises:
        DataError: the request holds no record.
    """

    def __init__(self, reader: Any, source: str, body: bytes) -> None:
        self.types: Types = reader.types
        self.adds: Links = reader.adds
        shapes = RawRecords(reader, source)
        shapes.of_json(body)
        self.found = list(map(_record, _texts(body)))
        nested = any(isinstance(record, dict) and shapes.marks & record.keys() for record in self.found)
        self.shape = shapes.nested if nested else shapes.flat

    def read(self, window: Window) -> Iterator[Records]:
        """All of them at once."""
        yield self.shape.records(self.found)


def _texts(body: bytes) -> list[bytes]:
    """The records of a body that holds some, each as it stands."""
    body = body.removeprefix(MARK).lstrip()
    return [bytes(raw) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])] if body[:1] == b"[" else [body]


def _record(text: bytes) -> Any:
    """One alone: a number that is too large for any machine must not spoil the others."""
    try:
        return decode(text)
    except NOT_JSON:
        return Broken("the record is not JSON", text.decode("utf-8", "backslashreplace"))


def learn(
    use_case: UseCase, store: str, body: bytes, as_of: dt.datetime | None = None, progress: Progress = lambda *_: None
) -> list[StageResult]:
    """Keep labelled records of the source that drives, and go on from the champion with them.

    They are joined to what is known of the other sources, and to no more: nobody waits for a source. Those that were
    sent since the champion's as-of and were too few to be learnt are learnt too. A record without its label, or that
    cannot be used, is set aside and counted, and stops nothing.

    Args:
        use_case: Which learns online.
        store: As in `StageRequest.store`.
        body: JSON: a record, or an array of them, with the columns of the source, those that are truth among them.
        as_of: The moment to pretend it is; now, if None.
        progress: As in `run`.

    Returns:
        What every stage did, the one that promotes among them; `skipped` from the one on that had nothing to do, such
        as `split` where there are too few records yet.

    Raises:
        UsageError: the use case does not learn online, or has no champion.
        DataError: the body is no JSON of records.
    """
    return run(keep(use_case, store, body, as_of), progress)


def keep(use_case: UseCase, store: str, body: bytes, as_of: dt.datetime | None = None) -> StageRequest:
    """As `learn`, but only to the point where the records are kept: the run that will learn them."""
    config, room = use_case.config, Store(store).within(use_case.config.name)
    unlearnt.champion(config, Registry(room))
    source, digest = config.driving("learning"), hashlib.sha256(body).hexdigest()
    sent = Sent(use_case.load(config.sources[source].reader), source, body)
    now = (as_of or dt.datetime.now(dt.UTC)).replace(microsecond=0)
    for later in count():
        moment = now + dt.timedelta(seconds=later)  # the first at which nobody has sent others
        if _written(room, source, sent, moment, digest).manifest.made_from["sent"] == digest:
            break
    stages = tuple(step.name for step in steps(config, "learning"))
    return StageRequest(config.name, "learning", stages, f"{default_run_id('learning', moment)}-sent", moment, store)


def _written(room: Store, source: str, sent: Sent, as_of: dt.datetime, digest: str) -> Dataset:
    """The records that lie at a moment: these, or those that were there before."""
    writer = DatasetWriter(room, unlearnt.sent_key(source, as_of), f"raw.{source}")
    for admitted in admit(sent, source, Window(None, as_of), None, ()):
        writer.write(admitted.table)
        writer.set_aside(admitted.rejects)
    return writer.close({"source": source, "since": "", "as_of": as_of.isoformat(), "sent": digest})
