"""What the scoring runs of a window saw of their data, from the results that their stages left."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from ml_pipeline.artifacts.promotion_log import READERS
from ml_pipeline.artifacts.store import Store
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import REALTIME, StageResult, run_key
from ml_pipeline.errors import NotFoundError
from ml_pipeline.monitoring.health import Visit
from ml_pipeline.stages import steps

COMBINE = "combine"


def visits(store: Store, config: UseCaseConfig, runs: Iterable[StageResult]) -> list[Visit]:
    """Of those that were ordered, oldest first; the last one of a moment counts."""
    ordered = {run.as_of: run.run_id for run in runs if not run.run_id.startswith(REALTIME)}
    names = [step.name for step in steps(config, "online") if step.stage.name in ("ingest", "prepare", COMBINE)]
    with ThreadPoolExecutor(READERS) as readers:
        keys = [run_key(run_id, name) for run_id in ordered.values() for name in names]
        found = dict(zip(keys, readers.map(lambda key: _result(store, key), keys), strict=True))
    made = ({name: found[run_key(run_id, name)] for name in names} for run_id in ordered.values())
    return [visit for own in made if (visit := _visit(own))]


def _visit(results: dict[str, StageResult | None]) -> Visit | None:
    """None where the run has not combined anything, or is begun anew just now."""
    combined = results[COMBINE]
    if combined is None or not combined.rows_out:
        return None
    aside = {name: (sum(own.quarantined.values()), own.rows_in) for name, own in results.items() if own}
    return Visit(f"{combined.as_of:%Y-%m-%d %H:%M}", combined.rows_out, aside, _unmatched(combined))


def _unmatched(combined: StageResult) -> dict[str, float]:
    """Nothing is known of it where what was combined before was used again."""
    counted: dict[str, Any] = combined.metrics.get("unmatched", {})
    return {source: rows / combined.rows_out for source, rows in counted.items()}


def _result(store: Store, key: str) -> StageResult | None:
    try:
        return msgspec.json.decode(store.get(key), type=StageResult)
    except NotFoundError:
        return None
