"""What monitoring found, in a few hundred bytes, for whoever asks often: metrics for Prometheus, and the next run."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import IntegrityError
from ml_pipeline.handlers.snapshots import folder_name
from ml_pipeline.monitoring.severity import Severity

if TYPE_CHECKING:
    from ml_pipeline.handlers.stage_run import StageRun
    from ml_pipeline.models.metric import Metric
    from ml_pipeline.monitoring.drift import Drift

FOLDER = "monitoring/"
"""Folder of what monitoring leaves, by as-of."""
SUMMARY = "summary.json"


class ModelSummary(msgspec.Struct, frozen=True):
    """How many rows a model predicted within the window, of how many the truth is known, and the metric that decides.

    No `metric` where too little is known.
    """

    predicted: int
    known: int
    metric: str = ""
    value: Mapping[str, float | None] = {}


class Summary(msgspec.Struct, frozen=True):
    """Of one run: when it ended, its severity, its models by version, and columns that drifted by severity."""

    as_of: dt.datetime
    finished: dt.datetime
    severity: Severity
    models: dict[str, ModelSummary]
    drifted: dict[str, int]


def model_summary(days: list[dict[str, Any]], metrics: Mapping[str, Metric], decides: str) -> ModelSummary:
    """Of a model's lines by day and of its metrics, which are empty where too little is known."""
    predicted, known = (sum(int(day[name]) for day in days) for name in ("predicted", "known"))
    found = metrics.get(decides)
    return ModelSummary(predicted, known, decides, dict(found)) if found else ModelSummary(predicted, known)


def leave(run: StageRun, severity: Severity, models: dict[str, ModelSummary], drift: Drift | None) -> None:
    """Leave the summary of a run; of two as of one moment the last counts."""
    drifted = Counter(own.severity for own in drift.columns) if drift else Counter[str]()
    counted = {level: drifted[level] for level in ("watch", "act")} if drift and drift.columns else {}
    summary = Summary(run.request.as_of, dt.datetime.now(dt.UTC), severity, models, counted)
    run.store.put(key_of(run.request.as_of), msgspec.json.encode(summary))


def key_of(as_of: dt.datetime) -> str:
    """Where the summary of a run lies."""
    return f"{FOLDER}{folder_name(as_of)}/{SUMMARY}"


def newest(room: Store, after: str = "") -> str:
    """The key of the summary with the latest as-of; of those that sort after a key, or that key where there is none."""
    found = [key for key in room.keys(FOLDER, after=after) if key.endswith(f"/{SUMMARY}")]
    return max(found, default=after)


def read(room: Store, key: str) -> Summary:
    """A summary.

    Raises:
        NotFoundError: it is not there.
        IntegrityError: it cannot be read.
    """
    try:
        return msgspec.json.decode(room.get(key), type=Summary)
    except msgspec.MsgspecError as error:
        raise IntegrityError(
            "this is no summary of monitoring",
            given=f"{room.address(key)}: {error}",
            expected="what the stage monitor leaves",
            do="run monitoring again as of that moment, or delete the object",
        ) from error
