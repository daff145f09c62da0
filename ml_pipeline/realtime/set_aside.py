"""Records of a request that are not scored, each with the reason."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ml_pipeline.errors import RejectedError

SHOWN = 5
"""Records that an error tells of in words."""
LISTED = 1000
"""Records that it lists: as many as a replay sends at once."""


class SetAside(msgspec.Struct, frozen=True, omit_defaults=True):
    """`record` is its position in the request, from 0; `column` is the one whose value is at fault, where it is one."""

    record: int
    reason: str
    column: str = ""


def of_type(record: int, reason: str) -> SetAside:
    """A record with a value that is not of its column's type: the reason names the column."""
    column, is_not, _ = reason.partition(" is not of type ")
    return SetAside(record, reason, column if is_not else "")


def all_bad(set_aside: Sequence[SetAside], expected: str = "") -> RejectedError:
    """The error for a request of which no record is good."""
    error = RejectedError(
        f"{'the record' if len(set_aside) == 1 else f'all {len(set_aside)} records'} must be set aside",
        given="; ".join(f"record {each.record}: {each.reason}" for each in set_aside[:SHOWN]),
        expected=expected,
        do="mend the records; a value that is not known may be null or left out",
    )
    error.set_aside = msgspec.to_builtins(set_aside[:LISTED])
    return error
