"""Every error a user can meet, in one tree.

PipelineError
├── UsageError            a command or request that cannot be carried out as asked
│   └── ConfigError       pipeline.yaml says something it must not; names the line
├── ChainError            a link of a chain lacks what it needs; names the link
├── DataError             the records are not what they were said to be
│   ├── SchemaError       a column is missing or has another type
│   ├── RejectedError     all records of a request must be set aside; says why of each
│   ├── QuarantineError   more records were set aside than the use case allows
│   └── FitError          the data cannot determine the parameters
├── SourceError           a database or service that records come from cannot be reached, or broke off
├── StoreError            object storage did not do what was asked
│   ├── StoreAccessError  credentials are missing, wrong or not enough
│   ├── StoreFullError    there is no room left
│   ├── NotFoundError     the object, dataset or bucket is not there
│   └── IntegrityError    the bytes are not those that were written
├── RequestError          a request over HTTP that is not taken
│   ├── CallerError       nobody knows who is calling
│   ├── ScopeError        the caller may not do this
│   ├── TooLargeError     more bytes or records than one request may have
│   ├── TooSlowError      the request did not arrive in time
│   ├── ConflictError     it contradicts what was asked or decided before
│   └── TooManyError      more at once than is taken on; later again
├── NotReadyError         there is nothing to score with yet
├── BusyError             more is asked than can be recorded now; says when to ask again
├── StageError            a stage ended without the result it owes
├── NothingToDo           not a failure: there is no work for this run
└── Terminated            the process was told to stop

An error says what was wrong, what was given, what was expected and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What goes wrong inside code that somebody wrote; it is reported with the place where it did."""


class PipelineError(Exception):
    """Base of the tree; `exit_code` and `http_status` are what each door answers with."""

    exit_code = 70
    http_status = 500

    def __init__(self, what: str, *, given: object = "", expected: object = "", do: str = "") -> None:
        super().__init__(what)
        self.what, self.given, self.expected, self.do = what, str(given), str(expected), do

    def __str__(self) -> str:
        given = f" Given: {self.given.rstrip('.')}." if self.given else ""
        expected = f" Expected: {self.expected.rstrip('.')}." if self.expected else ""
        return f"{self.what.rstrip('.')}.{given}{expected}" + (f" To do: {self.do}" if self.do else "")

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, the same at every door."""
        return {
            "error": type(self).__name__,
            "what": self.what,
            "given": self.given,
            "expected": self.expected,
            "do": self.do,
            "exit_code": self.exit_code,
        }


class UsageError(PipelineError):
    exit_code = 2
    http_status = 422


class ConfigError(UsageError):
    pass


class ChainError(PipelineError):
    exit_code = 3
    http_status = 422


class DataError(PipelineError):
    exit_code = 65
    http_status = 422


class SchemaError(DataError):
    pass


class RejectedError(DataError):
    """`set_aside` holds of each record (up to 1000) its position, the reason, and perhaps the column at fault."""

    set_aside: Sequence[Mapping[str, Any]] = ()

    def as_dict(self) -> dict[str, Any]:
        """With what was set aside."""
        return {**super().as_dict(), "set_aside": list(self.set_aside)}


class QuarantineError(DataError):
    pass


class FitError(DataError):
    pass


class SourceError(PipelineError):
    exit_code = 75
    http_status = 503


class StoreError(PipelineError):
    exit_code = 69
    http_status = 503


class StoreAccessError(StoreError):
    exit_code = 77


class StoreFullError(StoreError):
    exit_code = 74


class NotFoundError(StoreError):
    exit_code = 66
    http_status = 404


class IntegrityError(StoreError):
    exit_code = 76
    http_status = 500


class RequestError(PipelineError):
    exit_code = 2
    http_status = 400


class CallerError(RequestError):
    http_status = 401


class ScopeError(RequestError):
    http_status = 403


class TooLargeError(RequestError):
    http_status = 413


class TooSlowError(RequestError):
    http_status = 408


class ConflictError(RequestError):
    http_status = 409


class TooManyError(RequestError):
    http_status = 429


class NotReadyError(PipelineError):
    exit_code = 75
    http_status = 503


class BusyError(PipelineError):
    """`retry_after`: seconds after which it may help to ask again."""

    exit_code = 75
    http_status = 503
    retry_after = 2


class StageError(PipelineError):
    pass


class NothingToDo(PipelineError):
    exit_code = 99
    http_status = 200


class Terminated(PipelineError):
    exit_code = 143
    http_status = 503
