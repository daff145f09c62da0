"""Asking for a training, where what was predicted turned out clearly worse than it may be; not every day anew."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from hashlib import sha256

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.config import Monitoring
from ml_pipeline.contract import Artifact
from ml_pipeline.durations import microseconds
from ml_pipeline.handlers import monitoring_summary
from ml_pipeline.handlers.snapshots import folder_name
from ml_pipeline.handlers.stage_run import StageRun

NAME = "retrain"
FOLDER = f"{monitoring_summary.FOLDER}retrain/"


def ask(run: StageRun, reasons: Sequence[str]) -> None:
    """Leave a request to train, which whoever schedules training may follow; none within `cooldown` of an earlier one.

    Asked again by the same run, it is the same request; two runs as of one moment make one.
    """
    cooldown = (run.config.monitoring or Monitoring()).cooldown
    if earlier := _earlier(run, cooldown):
        run.notes.append(f"Training was asked for as of {earlier}, less than {cooldown} before: not again.")
        return
    key = f"{FOLDER}{folder_name(run.request.as_of)}"
    content = plain_yaml.dump({"run": run.request.run_id, "reasons": list(reasons)})
    if run.store.create(key, content) or run.store.get(key) == content:
        digest = sha256(content).hexdigest()
        run.artifacts.append(Artifact(NAME, run.store.address(key), key, digest, bytes=len(content)))


def _earlier(run: StageRun, cooldown: str) -> str:
    """The last request before this moment that still counts; empty where there is none."""
    now = run.request.as_of
    since = folder_name(now - dt.timedelta(microseconds=microseconds(cooldown)))
    names = [key.removeprefix(FOLDER) for key in run.store.keys(FOLDER)]
    return max((name for name in names if since < name < folder_name(now)), default="")
