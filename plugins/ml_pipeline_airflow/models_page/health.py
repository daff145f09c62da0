"""What the runs of monitoring have found, the newest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import msgspec

from ml_pipeline.artifacts.promotion_log import READERS
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import Mode, StageResult, run_key
from ml_pipeline.errors import NotFoundError
from ml_pipeline.models.evaluation import JUDGES
from ml_pipeline.models.metric import Metric
from ml_pipeline_airflow.models_page.runs import last_runs
from ml_pipeline_airflow.request import run_name

MODE: Mode = "monitoring"


class Judged(NamedTuple):
    """Predictions of a model as one run of monitoring judged them by the metric that decides."""

    version: str
    name: str
    metric: Metric


class Health(NamedTuple):
    """The verdict of one run of monitoring."""

    result: StageResult

    @property
    def verdict(self) -> Mapping[str, Any]:
        """With `severity` and `reasons`."""
        return self.result.verdict or {"severity": "not enough data", "reasons": list(self.result.notes)}

    @property
    def severity(self) -> str:
        """How urgent it is."""
        return str(self.verdict["severity"])

    @property
    def as_of(self) -> str:
        """The moment as of which it looked."""
        return self.result.as_of.isoformat()

    @property
    def reasons(self) -> list[str]:
        """What was found, in sentences."""
        return [str(reason) for reason in self.verdict["reasons"]]

    def judged(self) -> Iterator[Judged]:
        """The models of which enough has come true."""
        for version, found in self.result.metrics.items():
            if found.get("metrics"):
                name = JUDGES[found["predicts"]].decides
                if math.isfinite(found["metrics"][name]["value"]):
                    yield Judged(version, name, found["metrics"][name])


def history(room: Store, use_case: str, most: int) -> list[Health]:
    """What the last so many runs found; a run that did not come to an end found nothing."""
    runs = last_runs(use_case, MODE, most)
    with ThreadPoolExecutor(READERS) as readers:
        found = readers.map(lambda run: _result(room, run.run_id), runs)
        return [Health(result) for result in found if result]


def _result(room: Store, airflow_run: str) -> StageResult | None:
    try:
        return msgspec.json.decode(room.get(run_key(run_name(MODE, airflow_run), "monitor")), type=StageResult)
    except NotFoundError:
        return None
