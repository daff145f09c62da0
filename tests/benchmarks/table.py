"""What was measured as a table: medians of the rounds, beside the limit and the best peer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

from tests.benchmarks.jobs import Job, Kind

MISSING = "–"


class Line(NamedTuple):
    """The rounds of one contender. `failure` says why there are none, or no more."""

    rows: int
    name: str
    kind: Kind
    runs: Sequence[dict[str, Any]]
    failure: str = ""

    @property
    def seconds(self) -> float:
        """The middle one of the rounds; infinite where there is none."""
        return median(run["seconds"] for run in self.runs) if self.runs else float("inf")

    @property
    def peak(self) -> float:
        """The largest peak memory of the rounds, in megabytes."""
        return max(run["peak"] for run in self.runs) / 1e6 if self.runs else float("nan")

    def quality(self, measure: str) -> float:
        """Of the last round; infinite where it is not known."""
        return float(self.runs[-1]["quality"].get(measure, "inf")) if self.runs else float("inf")


def table(job: Job, lines: Sequence[Line]) -> list[list[str]]:
    """Header and one line per contender, the fastest of each size first."""
    header = ["rows", "contender", "seconds", "slowest", "× limit", "× best peer", "peak MB", *job.shows]
    body = [
        [f"{line.rows:,}", *_line(job, line, [other for other in lines if other.rows == line.rows])]
        for line in sorted(lines, key=lambda line: (line.rows, line.kind != "limit", line.seconds))
    ]
    return [header, *body]


def best_peer(job: Job, lines: Iterable[Line]) -> float:
    """Seconds of the fastest peer whose work is as good as the best; infinite where there is none."""
    peers = [line for line in lines if line.kind == "peer" and line.runs]
    if not job.shows:
        return min((line.seconds for line in peers), default=float("inf"))
    least = min((line.quality(job.shows[0]) for line in peers), default=float("inf"))
    good = [line for line in peers if line.quality(job.shows[0]) <= least + job.allowance]
    return min((line.seconds for line in good), default=float("inf"))


def markdown(table: Sequence[Sequence[str]]) -> str:
    """Columns of even width, the first two to the left."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rule = ["-" * width for width in widths]
    rows = [table[0], rule, *table[1:]]
    return "".join(f"| {' | '.join(map(_pad, row, widths, range(len(row))))} |\n" for row in rows)


def _line(job: Job, line: Line, beside: Sequence[Line]) -> list[str]:
    if not line.runs:
        return [line.name, line.failure, *[MISSING] * (4 + len(job.shows))]
    limit = min((other.seconds for other in beside if other.kind == "limit"), default=float("inf"))
    slowest = max(run["seconds"] for run in line.runs)
    ratios = [_ratio(line.seconds, other) for other in (limit, best_peer(job, beside))]
    shown = [_number(line.quality(measure), 5) for measure in job.shows]
    return [line.name, _number(line.seconds), _number(slowest), *ratios, f"{line.peak:.0f}", *shown]


def _ratio(seconds: float, other: float) -> str:
    return MISSING if other == float("inf") else _number(seconds / other)


def _number(value: float, digits: int = 3) -> str:
    """Digits that count; two are enough for what is very small."""
    if value == float("inf"):
        return MISSING
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 0.01 else f"{value:.{digits}g}"


def _pad(text: str, width: int, place: int) -> str:
    return text.ljust(width) if place < 2 else text.rjust(width)
