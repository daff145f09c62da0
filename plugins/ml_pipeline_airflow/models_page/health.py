"""What the runs of monitoring have found, the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import msgspec

from ml_pipeline.artifacts.promotion_log import READERS
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import Mode, StageResult, run_key
from ml_pipeline.errors import IntegrityError, NotFoundError
from ml_pipeline_airflow.models_page.runs import last_runs
from ml_pipeline_airflow.request import run_name

MODE: Mode = "monitoring"


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
        """What was found, in sentences, the most urgent first."""
        urgent = [str(reason) for reason in self.verdict.get("urgent", ())]
        return [*urgent, *(reason for reason in map(str, self.verdict["reasons"]) if reason not in urgent)]


def history(room: Store, use_case: str, most: int) -> list[Health]:
    """What the last so many runs found, by the moment as of which they looked; one that has not ended found nothing.

    Raises:
        IntegrityError: what a run left cannot be read.
    """
    runs = last_runs(use_case, MODE, most)
    with ThreadPoolExecutor(READERS) as readers:
        found = [Health(result) for result in readers.map(lambda run: _result(room, run.run_id), runs) if result]
    return sorted(found, key=lambda own: own.result.as_of, reverse=True)


def _result(room: Store, airflow_run: str) -> StageResult | None:
    key = run_key(run_name(MODE, airflow_run), "monitor")
    try:
        return msgspec.json.decode(room.get(key), type=StageResult)
    except NotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise IntegrityError(
            "what a run of monitoring left cannot be read",
            given=f"{room.address(key)}: {error}",
            expected="a result as the stage writes it",
            do="clear the task `monitor` of that run, which writes it anew",
        ) from error
