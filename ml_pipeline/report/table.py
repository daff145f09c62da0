"""Tables, which scroll in a box of their own where the page is narrow, and intervals drawn in their cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.plot import mark
from ml_pipeline.report.scale import Scale


class Row(NamedTuple):
    """A heading and cells; the heading of a group has none."""

    heading: str
    cells: Sequence[str] = ()


def table(caption: str, columns: Sequence[str], rows: Iterable[Row], foot: Sequence[str] = ()) -> Markup:
    """Rows under headings. `foot` is a last row without a heading, which only eyes need."""
    head = tag("tr", *(tag("th", name, scope="col") for name in columns))
    last = tag("tr", *(tag("td", cell) for cell in foot), aria_hidden="true")
    body = tag("tbody", *(_row(row, len(columns)) for row in rows))
    content = [tag("caption", tag("span", caption)), tag("thead", head), body, tag("tfoot", last) if foot else ""]
    # A box that scrolls must be reachable by keyboard, and say what it is.
    return tag("div", tag("table", *content), class_="scroll", tabindex=0, role="region", aria_label=caption)


def _row(row: Row, width: int) -> Markup:
    if not row.cells:
        return tag("tr", tag("th", row.heading, scope="colgroup", colspan=width), class_="group")
    return tag("tr", tag("th", row.heading, scope="row"), *(tag("td", cell) for cell in row.cells))


class Whiskers(NamedTuple):
    """An axis that cells of a column share. `guides` are the values at which a line of a kind stands in each cell."""

    scale: Scale
    guides: Mapping[str, float]

    @classmethod
    def over(cls, values: Iterable[float], guides: Mapping[str, float]) -> Whiskers:
        """From the least to the largest of these and of the guides, in per cent of the cell's width."""
        known = [*values, *guides.values()]
        low, high = min(known), max(known)
        margin = (high - low) * 0.02 or 0.5
        return cls(Scale(low - margin, high + margin, 3.0, 97.0), guides)

    def cell(self, value: float, ends: tuple[float, float] | None) -> Markup:
        """A dot, and a whisker where there is an interval; the numbers stand beside it for those who do not see it."""
        lines = [self._line(kind, at) for kind, at in self.guides.items()]
        left, right = (f"{self.scale(end):.2f}%" for end in ends or (value, value))
        whisker = tag("line", class_="whisker candidate", x1=left, x2=right, y1=12, y2=12)
        dot = mark("candidate", f"{self.scale(value):.2f}%", "12")
        return _cell(24, [*lines, whisker if ends else "", dot])

    def axis(self) -> Markup:
        """Ticks under the last cell."""
        return _cell(20, [self._tick(value) for value in self.scale.ticks(5)])

    def _line(self, kind: str, at: float) -> Markup:
        place = f"{self.scale(at):.2f}%"
        return tag("line", class_=f"line {kind}", x1=place, x2=place, y1=0, y2=24)

    def _tick(self, value: float) -> Markup:
        place = self.scale(value)
        anchor = "start" if place < 6 else "end" if place > 94 else "middle"
        return tag("text", self.scale.label(value), class_="tick", x=f"{place:.2f}%", y=14, text_anchor=anchor)


def _cell(height: int, parts: Iterable[str]) -> Markup:
    return tag("svg", join(parts), class_="cell", width="100%", height=height, aria_hidden="true")
