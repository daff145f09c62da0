"""How a stage ended, in Airflow's terms: a small XCom, a skip, a failure, or a failure that a retry cannot mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from ml_pipeline.errors import ChainError, DataError, NotFoundError, NothingToDo, PipelineError, StageError, UsageError

if TYPE_CHECKING:
    from ml_pipeline.contract import StageRequest, StageResult
    from ml_pipeline_airflow.transcript import Transcript

PERMANENT = frozenset({UsageError.exit_code, ChainError.exit_code, DataError.exit_code})
"""Exit codes of failures that the same request would meet again."""


@contextmanager
def in_airflow_terms() -> Iterator[None]:
    """Turn an error of the pipeline that a retry cannot mend into Airflow's exception for that."""
    try:
        yield
    except PipelineError as error:
        if error.exit_code in PERMANENT:
            raise AirflowFailException(f"{type(error).__name__}: {error}") from error
        raise


def settle(code: int, transcript: Transcript, because: str = "") -> None:
    """Return if a stage says that it is done.

    Args:
        code: its exit code.
        transcript: what it said.
        because: what else is known about a bad end, as a full sentence.

    Raises:
        AirflowSkipException: there was nothing to do.
        AirflowFailException: a retry cannot mend it.
        AirflowException: any other failure.
    """
    if code == 0:
        return
    if code == NothingToDo.exit_code:
        raise AirflowSkipException(transcript.sentence() or "The stage found nothing to do.")
    kind = AirflowFailException if code in PERMANENT else AirflowException
    what = transcript.sentence() or f"The stage ended with exit code {code}."
    raise kind("\n".join(filter(None, [what, because])) + last_words(transcript))


def last_words(transcript: Transcript) -> str:
    """The last lines of a stage's log, to stand at the end of an error."""
    said = "\n".join(transcript.tail)
    return f" Its last lines:\n{said}\n" if said else " It said nothing."


def results(request: StageRequest) -> list[StageResult]:
    """What every step of a request left in the store, for this very attempt.

    Raises:
        StageError: a result is absent, or left by another attempt.
    """
    return [_result(request, step) for step in request.stages]


def summary(request: StageRequest, found: list[StageResult]) -> dict[str, Any]:
    """The XCom of a task: plain values, a few hundred bytes a step."""
    versions = [result.model_version for result in found if result.model_version]
    return {
        "run_id": request.run_id,
        "as_of": request.as_of.isoformat(),
        "system_version": found[-1].system_version,
        "model_version": versions[-1] if versions else None,
        "verdict": next((result.verdict for result in reversed(found) if result.verdict), None),
        "synthetic": sorted({source for result in found for source in result.synthetic}),
        "steps": {result.stage: _step(result) for result in found},
    }


def _step(result: StageResult) -> dict[str, Any]:
    made = {one.name: {"uri": one.uri, "digest": one.digest, "rows": one.rows} for one in result.artifacts}
    return {
        "status": result.status,
        "rows_in": result.rows_in,
        "rows_out": result.rows_out,
        "seconds": round(result.seconds, 3),
        "artifacts": made,
    }


def _result(request: StageRequest, step: str) -> StageResult:
    import msgspec

    from ml_pipeline.artifacts.store import Store
    from ml_pipeline.contract import StageResult, run_key

    folder, key = Store(request.store).within(request.use_case), run_key(request.run_id, step)
    try:
        result = msgspec.json.decode(folder.get(key), type=StageResult)
    except NotFoundError as error:
        raise _owed(step, "nothing", folder.address(key)) from error
    except msgspec.MsgspecError as error:
        raise _owed(step, f"something else ({error})", folder.address(key)) from error
    if result.attempt != request.attempt:
        raise _owed(step, f"the result of the attempt {result.attempt}", folder.address(key))
    return result


def _owed(step: str, given: str, address: str) -> StageError:
    return StageError(
        f"{step} ended without the result it owes",
        given=f"{given} at {address}",
        expected="the StageResult of this attempt",
        do="read the task's log for what it did last, then clear the task to run it again",
    )
