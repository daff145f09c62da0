"""What runs left."""

from __future__ import annotations

import msgspec

from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import REALTIME, StageResult
from ml_pipeline.errors import IntegrityError


def stored_results(room: Store, step: str = "") -> list[StageResult]:
    """Results of all stages of all runs of a use case that were ordered, by run; or of one step."""
    ordered = [key for key in room.keys("runs/") if not key.startswith(f"runs/{REALTIME}")]
    return [_result(room, key) for key in ordered if not step or key.split("/")[2:] == [step, "result.json"]]


def _result(room: Store, key: str) -> StageResult:
    try:
        return msgspec.json.decode(room.get(key), type=StageResult)
    except msgspec.DecodeError as error:
        raise IntegrityError(
            "this is no result of a stage",
            given=f"{room.address(key)}: {error}",
            do="delete it, or run the stage again",
        ) from error
