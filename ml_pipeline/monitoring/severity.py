"""How much a finding matters to whoever is paged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

Severity: TypeAlias = Literal["ok", "not enough data", "watch", "not comparable", "act"]
SEVERITIES: tuple[Severity, ...] = ("ok", "not enough data", "watch", "not comparable", "act")
"""From the least to the most urgent."""


class Finding(NamedTuple):
    """A severity, and a sentence that says what, how much, and what to do."""

    severity: Severity
    sentence: str


def worst(findings: Iterable[Finding]) -> Severity:
    """The most urgent; `ok` where nothing was found.

    >>> worst([Finding("watch", ""), Finding("ok", "")])
    'watch'
    """
    return max((found.severity for found in findings), key=SEVERITIES.index, default="ok")
