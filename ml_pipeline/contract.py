"""The stage contract: what goes into a stage and what it leaves, the same at every door.

A container gets one `StageRequest` as JSON. For every stage it names it leaves one `StageResult` as JSON in object
storage, at `runs/<run id>/<stage>/result.json`. The two are also the body and answer of REST and the `--json` of
the command line.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from ml_pipeline.errors import UsageError

Mode = Literal["offline", "online", "learning", "monitoring"]
MODES: tuple[Mode, Mode] = ("offline", "online")
"""Those that every use case has; `UseCaseConfig.modes` says which one has."""
Status = Literal["done", "reused", "skipped"]
REALTIME = "realtime-"
"""How the names of runs begin that nobody ordered: each holds what was scored online over a few seconds."""
MEMORY = "memory:"
"""How the address of a dataset begins that nobody but the steps of one service read: it is gone with their process."""
TRY = re.compile(r".*-(\d{1,6})")
"""Attempts whose names end in a number are tries of the same work; a later one has the higher number."""
RUN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+:@=-]*")


class Artifact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something a stage read or wrote: its name in the graph, where it is and what its content hashes to."""

    name: str
    uri: str
    key: str
    digest: str
    rows: int = 0
    bytes: int = 0

    @property
    def passed(self) -> bool:
        """Whether it was passed on in memory, and not stored."""
        return self.uri.startswith(MEMORY)


class StageRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One order to run stages of a use case as of a moment.

    `stages` are step names as the graph shows them (`train`, `prepare.weather`), run in this order in one process.
    `parameters` override keys of pipeline.yaml, dotted (`{"split.test": "122d"}`). `images` says what each
    container image of the use case holds; it is empty where stages run without containers. `approved_by` is the person
    who agreed to a promotion, and `reason` why; empty where the gate alone decides.
    """

    use_case: str
    mode: Mode
    stages: tuple[str, ...]
    run_id: str
    as_of: dt.datetime
    store: str
    parameters: dict[str, Any] = {}
    force: bool = False
    attempt: str = "1"
    images: dict[str, str] = {}
    approved_by: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        """Raises: UsageError: the run id is no name for a folder, or the moment has no offset."""
        if not RUN_ID.fullmatch(self.run_id):
            raise UsageError(
                "the run id is no name for a folder",
                given=repr(self.run_id),
                expected="letters, digits and any of _ . + : @ = -, such as nightly-2013-09-01",
                do="give another run id, or leave it out",
            )
        if self.as_of.tzinfo is None:
            raise UsageError(
                "the as-of does not say in which time zone it is",
                given=self.as_of.isoformat(),
                expected="a moment with an offset, such as 2013-09-01T00:00:00Z",
                do="add the offset",
            )


class StageResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one stage did. `status` is `reused` where the same work was stored already.

    `synthetic` names the sources, behind any output or the model, whose records were made up by a program. `spent` says
    where the `seconds` went, by activity (store, read, compute, write), summed over threads.
    """

    use_case: str
    mode: Mode
    stage: str
    run_id: str
    as_of: dt.datetime
    attempt: str
    status: Status
    system_version: str
    reads: tuple[Artifact, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    rows_in: int = 0
    rows_out: int = 0
    quarantined: dict[str, int] = {}
    finished: dt.datetime
    seconds: float = 0.0
    spent: dict[str, float] = {}
    peak_memory_bytes: int = 0
    metrics: dict[str, Any] = {}
    verdict: dict[str, Any] | None = None
    model_version: str = ""
    synthetic: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def run_key(run_id: str, stage: str) -> str:
    """Where in the use case's folder the result of a stage lies."""
    return f"runs/{run_id}/{stage}/result.json"


def is_later(attempt: str, than: str) -> bool:
    """Whether an attempt is a later try of the same work than another; never, where their names do not say so.

    >>> is_later("0198-10", "0198-9"), is_later("a", "b")
    (True, False)
    """
    one, other = TRY.fullmatch(attempt), TRY.fullmatch(than)
    return bool(one and other and int(one[1]) > int(other[1]))


def moment(text: str, timezone: str) -> dt.datetime:
    """An ISO 8601 date or moment in UTC and whole seconds; without an offset it is wall-clock time in `timezone`.

    Raises:
        UsageError: it is neither.

    >>> moment("2013-09-01", "America/New_York").isoformat()
    '2013-09-01T04:00:00+00:00'
    """
    try:
        parsed = dt.datetime.fromisoformat(text)
        local = parsed if parsed.tzinfo else parsed.replace(tzinfo=ZoneInfo(timezone))
        return local.astimezone(dt.UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            "the as-of is not a moment",
            given=text,
            expected="a date or a moment such as 2013-09-01 or 2013-09-01T06:00:00+02:00",
            do="ask again with such a moment, or leave it out",
        ) from error


# msgspec looks into a type when it first decodes one, and crashes where several threads are first at once: here is one.
msgspec.json.Decoder(StageRequest)
msgspec.json.Decoder(StageResult)
