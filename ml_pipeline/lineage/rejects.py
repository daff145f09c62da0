"""What runs have set aside: the records, each with the reason why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from ml_pipeline.artifacts.datasets import Dataset, open_dataset
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import StageResult
from ml_pipeline.errors import UsageError
from ml_pipeline.lineage.results import stored_results

NOTHING_YET = (
    "run `ml-pipeline run USE_CASE offline` first; if it stopped at too many bad records, its error names the "
    "reasons and one of the records, and `ml-pipeline validate USE_CASE` shows them again"
)
"""What to do where no stage has finished: one that stops keeps nothing."""


class Rejected(msgspec.Struct, frozen=True):
    """What one step of a run set aside for one reason: how many records, and the first of them."""

    run_id: str
    stage: str
    reason: str
    count: int
    records: list[Any]


def rejects(room: Store, stage: str = "", run_id: str = "", limit: int = 20) -> list[Rejected]:
    """What the last run of each mode set aside, by step and by reason, the most frequent first.

    Args:
        room: The use case's part of the store.
        stage: A stage or step, such as prepare or prepare.weather; all, if it is empty.
        run_id: A run; the last of each mode, if it is empty.
        limit: Records to show of each reason, at most.

    Raises:
        UsageError: nothing has finished, or there is no such run or stage.
    """
    results = _asked(stored_results(room), stage, run_id)
    return [own for result in results for own in _of(room, result, limit)]


def _asked(results: Sequence[StageResult], stage: str, run_id: str) -> list[StageResult]:
    last = {result.mode: result.run_id for result in sorted(results, key=lambda result: result.finished)}
    runs = {run_id} if run_id else {*last.values()}
    own = [result for result in results if result.run_id in runs]
    found = [result for result in own if not stage or stage in (result.stage, result.stage.partition(".")[0])]
    if not found:
        given = stage if own else run_id
        known = [result.stage for result in own] or [result.run_id for result in results]
        raise UsageError(
            f"there is no such {'stage' if own else 'run'} here" if results else "no stage of a run has finished yet",
            given=given,
            expected=", ".join(dict.fromkeys(known)),
            do="name another one" if results else NOTHING_YET,
        )
    return sorted(found, key=lambda result: result.finished)


def _of(room: Store, result: StageResult, limit: int) -> Iterator[Rejected]:
    """Of one step; a dataset of several names it made once, and one that was passed on has nothing set aside."""
    if not result.quarantined:
        return
    keys = dict.fromkeys(own.key for own in result.artifacts if own.key and not own.passed)
    datasets = [open_dataset(room, key) for key in keys]
    for reason, number in sorted(result.quarantined.items(), key=lambda item: (-item[1], item[0])):
        records = islice((record for own, record in _quarantine(datasets) if own == reason), limit)
        yield Rejected(result.run_id, result.stage, reason, number, list(records))


def _quarantine(datasets: Iterable[Dataset]) -> Iterator[tuple[str, Any]]:
    for dataset in datasets:
        for part in dataset.manifest.quarantine:
            for row in dataset.table(part).to_pylist():
                yield row["reason"], json.loads(row["record"])
