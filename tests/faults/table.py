"""What came of cases, in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

WRONG = ("lost", "half visible", "champion", "predictions", "leftovers", "orphans", "false states")
"""What must not be."""
ALSO = "red, though done"
"""What may be, and is worth a look: a task failed after its stage had left all results."""
ENDS = ("went on", "tried again", "run again")
"""Ways in which a night that was struck ends: no task failed, all did in the end, or one had failed for good."""


class Case(NamedTuple):
    """A case: how its night was struck (empty where the fault came too late), how that ended, and what was found."""

    number: int
    kind: str
    how: str
    ended: str
    seconds: float
    found: dict[str, list[str]]

    @property
    def wrong(self) -> dict[str, list[str]]:
        """What must not be, and is."""
        return {name: self.found[name] for name in WRONG if self.found[name]}

    def __str__(self) -> str:
        lines = [f"{self.number:5} {self.kind:14} {self.ended:12} {self.seconds:5.1f} s  {self.how or 'too late'}"]
        return "\n".join([*lines, *(f"      {name}: {one}" for name, own in self.found.items() for one in own)])


def table(cases: Sequence[Case]) -> str:
    """Kinds of faults in their order, and what came of them."""
    lines = [
        _line(kind, [case for case in cases if case.kind == kind]) for kind in dict.fromkeys(c.kind for c in cases)
    ]
    heading = ["fault", "cases", "too late", *ENDS, "recovered", *WRONG, ALSO]
    rows = [heading, ["---", *["---:"] * (len(heading) - 1)], *lines, _line("all", cases)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _line(name: str, cases: Sequence[Case]) -> list[str]:
    ended = Counter(case.ended for case in cases)
    late = sum(not case.how for case in cases)
    found = [sum(bool(case.found[what]) for case in cases) for what in (*WRONG, ALSO)]
    recovered = sum(not case.wrong for case in cases)
    return [name, *map(str, [len(cases), late, *(ended[own] for own in ENDS), recovered, *found])]
