"""What was scored online, kept as the serve stage keeps it: recorded behind the answers, bounded, and never lost.

Every few seconds a dataset of predictions and a `StageResult` of a run of its own are left for each model version, so
that whoever watches predictions reads one layout.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import NamedTuple
from uuid import uuid4

import msgspec
import numpy as np

from ml_pipeline.artifacts.datasets import DatasetWriter
from ml_pipeline.artifacts.store import Store
from ml_pipeline.artifacts.versions import fingerprint, system_version
from ml_pipeline.columns import Category, Column, Columns, count
from ml_pipeline.contract import REALTIME, StageResult, run_key
from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import FAULTS, BusyError, PipelineError, StoreError
from ml_pipeline.handlers import scored_runs
from ml_pipeline.handlers.snapshots import folder_name
from ml_pipeline.realtime.scorer import Scorer

ROWS = 200_000
"""Rows that may wait to be stored: some 20 MB."""
FLUSH_SECONDS = 5.0
FLUSH_ROWS = 65_536
GATHER_SECONDS = 0.25
"""Single rows are packed together so often: apart they would take a kilobyte each."""
LONGEST_RETRY_SECONDS = 30.0
log = logging.getLogger("ml_pipeline.realtime")


class Entry(NamedTuple):
    """Rows of one request: what a model predicted, and for a shadow what it was predicted from."""

    scorer: Scorer
    predictions: Columns
    combined: Columns


class Page(NamedTuple):
    """A dataset to be, the same however often it is written."""

    run_id: str
    began: dt.datetime
    scorer: Scorer
    predictions: Columns
    frees: int
    """Rows for which there is room again when it is stored."""


class Journal:
    """Takes rows from any thread; a thread of its own stores them.

    Args:
        use_case: Whose predictions they are.
        store: The use case's part of the store.
        shadow: Gives the model that also predicts all rows, which is only recorded; None while there is none.
        rows: How many may wait at most.
    """

    def __init__(
        self, use_case: UseCase, store: Store, shadow: Callable[[], Scorer | None] = lambda: None, rows: int = ROWS
    ) -> None:
        self.use_case, self.store, self.shadow, self.most = use_case, store, shadow, rows
        self.promised = self.kept = self.recorded = 0
        self.queue: deque[Entry] = deque()
        self.waiting: dict[str, list[Entry]] = defaultdict(list)
        self.began = dt.datetime.now(dt.UTC)
        self.pages: deque[Page] = deque()
        self.failures, self.again_at = 0, 0.0
        self.changed = Condition()
        self.closing = False
        self.thread = Thread(target=self._work, name="journal", daemon=True)

    def start(self) -> None:
        """Begin to store what is recorded."""
        self.thread.start()

    def close(self) -> None:
        """Store all that was recorded, and what requests at work still will; this waits for a store that is away."""
        with self.changed:
            self.closing = True
            self.changed.notify()
        if self.thread.ident:
            self.thread.join()

    def reserve(self, rows: int) -> None:
        """Make sure that there is room for the rows of a request, before they are scored.

        Raises:
            BusyError: too many wait to be stored.
        """
        with self.changed:
            taken = self.promised + self.kept
            if not self.closing and taken + rows <= self.most:
                self.promised += rows
                return
        raise BusyError(
            "more is scored than can be recorded",
            given=f"{rows:,} records, and {taken:,} that wait to be stored",
            expected=f"at most {self.most:,} at once",
            do="send them again a little later; if it lasts, check that the object store answers",
        )

    def record(self, entry: Entry | None, reserved: int) -> None:
        """Rows to be stored, in the room that was reserved for them; None where nothing came of the request."""
        with self.changed:
            self.promised -= reserved
            if entry and entry.predictions:
                rows = count(entry.predictions)
                self.kept += rows
                self.recorded += rows
                self.queue.append(entry)

    def _work(self) -> None:
        while True:
            with self.changed:
                if not self.closing:
                    self.changed.wait(GATHER_SECONDS)
                closing = self.closing
            self._gather()
            if self._due() or closing:
                self._turn_page()
            self._store_pages()
            with self.changed:
                if closing and not (self.promised or self.kept):
                    return
            if closing:
                time.sleep(GATHER_SECONDS / 10)

    def _gather(self) -> None:
        """Pack what was recorded since, by model."""
        found: dict[str, list[Entry]] = defaultdict(list)
        while self.queue:
            entry = self.queue.popleft()
            found[entry.scorer.version].append(entry)
        if found and not self.waiting:
            self.began = dt.datetime.now(dt.UTC)
        for version, entries in found.items():
            predictions = stacked([entry.predictions for entry in entries])
            combined = stacked([entry.combined for entry in entries])
            self.waiting[version].append(Entry(entries[0].scorer, predictions, combined))

    def _due(self) -> bool:
        rows = sum(count(entry.predictions) for entries in self.waiting.values() for entry in entries)
        age = (dt.datetime.now(dt.UTC) - self.began).total_seconds()
        return bool(rows) and (rows >= FLUSH_ROWS or age >= FLUSH_SECONDS)

    def _turn_page(self) -> None:
        """A page for each model, and for the shadow one of all that the others predicted."""
        shadow, combined = self.shadow(), []
        for entries in self.waiting.values():
            predictions = stacked([entry.predictions for entry in entries])
            self._add_page(entries[0].scorer, predictions, count(predictions))
            combined += [entry.combined for entry in entries if entry.combined]
        self.waiting.clear()
        if shadow and combined:
            try:
                self._add_page(shadow, shadow.predictions(stacked(combined)), 0)
            except (PipelineError, *FAULTS):
                log.exception("the shadow %s cannot predict what the champion can", shadow.version)

    def _add_page(self, scorer: Scorer, predictions: Columns, frees: int) -> None:
        run_id = f"{REALTIME}{folder_name(self.began)}-{uuid4().hex[:12]}"
        self.pages.append(Page(run_id, self.began, scorer, predictions, frees))

    def _store_pages(self) -> None:
        """Those there are; where the store is away, later again, with growing pauses."""
        while self.pages and time.monotonic() >= self.again_at:
            page = self.pages[0]
            try:
                self._store(page)
            except StoreError as error:
                self.failures += 1
                pause = min(2.0 ** (self.failures - 1), LONGEST_RETRY_SECONDS)
                self.again_at = time.monotonic() + pause
                log.warning("%d predictions wait to be stored, again in %.0f s: %s", self.kept, pause, error)
                return
            except (PipelineError, *FAULTS):
                log.exception("%d predictions cannot be stored, and are lost", count(page.predictions))
            self.failures = 0
            self.pages.popleft()
            with self.changed:
                self.kept -= page.frees

    def _store(self, page: Page) -> None:
        """The dataset, then the result that names it."""
        system, scorer = system_version(self.use_case, {}).digest, page.scorer
        writer = DatasetWriter(
            self.store, f"data/{fingerprint([system, page.run_id])[:32]}", "predictions", self.use_case.config.time
        )
        writer.write(page.predictions)
        synthetic = {"synthetic": list(scorer.synthetic)} if scorer.synthetic else {}
        made_from = {"step": "serve", "run": page.run_id, "system_version": system[:16], "inputs": [], "snapshots": []}
        dataset = writer.close({**made_from, **synthetic, "model_version": scorer.version})
        rows = dataset.manifest.rows
        result = StageResult(
            use_case=self.use_case.config.name, mode="online", stage="serve", run_id=page.run_id, as_of=page.began,
            attempt="1", status="done", system_version=system, artifacts=(dataset.artifact(),), rows_in=rows,
            rows_out=rows, finished=dt.datetime.now(dt.UTC), model_version=scorer.version, synthetic=scorer.synthetic,
        )  # fmt: skip
        self.store.put(run_key(page.run_id, "serve"), msgspec.json.format(msgspec.json.encode(result), indent=2))
        scored_runs.note(self.store, page.run_id, page.began)


def stacked(batches: Sequence[Columns]) -> dict[str, Column]:
    """Many small batches under one another; the time that it takes grows with their rows alone."""
    filled = [batch for batch in batches if batch]
    return {name: _stacked([batch[name] for batch in filled]) for name in (filled[0] if filled else ())}


def _stacked(parts: Sequence[Column]) -> Column:
    if len(parts) == 1:
        return parts[0]
    categories = [part for part in parts if isinstance(part, Category)]
    if categories:
        return Category.of([value for part in categories for value in part.values()])
    return np.concatenate([np.asarray(part) for part in parts])
