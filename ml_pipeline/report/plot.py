"""The frame of a plot and the marks on it: SVG that scales with the page and takes its colours from the style."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.scale import Scale

WIDTH, HEIGHT = 420.0, 340.0
LEFT, RIGHT, TOP, BOTTOM = 66.0, 14.0, 34.0, 50.0
"""Margins of the plot's area, with room for text of 15 units: a phone shows 420 of them on 350 pixels."""
CHARACTER = 8.0
"""Width of a character of a legend."""

Ends = tuple[float, float]
Size = tuple[float, float]
Ticks = Sequence[tuple[float, str]]
UNIT: Ends = (0.0, 1.0)
USUAL: Size = (WIDTH, HEIGHT)


class Plot(NamedTuple):
    """What lies where: to the right, and upwards."""

    x: Scale
    y: Scale

    @classmethod
    def of(cls, x: Ends = UNIT, y: Ends = UNIT, size: Size = USUAL) -> Plot:
        """A plot of values between these ends, within a picture of some size."""
        return cls(Scale(*x, LEFT, size[0] - RIGHT), Scale(*y, size[1] - BOTTOM, TOP))

    def axes(self, x: str, y: str, label: Callable[[float], str] | None = None, ticks: Ticks = ()) -> Markup:
        """Ticks, faint lines across and the names of both axes.

        `label` writes the upward ones; `ticks` are places to the right and their names, where round numbers won't do.
        """
        rightward = ticks or [(value, self.x.label(value)) for value in self.x.ticks()]
        (left, right), (bottom, top) = (self.x.start, self.x.end), (self.y.start, self.y.end)
        upright = f"translate(13 {(top + bottom) / 2:g}) rotate(-90)"
        return join(
            [
                *(self._across(value, (label or self.y.label)(value)) for value in self.y.ticks()),
                *(text(self.x(value), bottom + 18, name, "middle") for value, name in rightward),
                _segment("axis", (left, bottom), (right, bottom)),
                text((left + right) / 2, bottom + 40, x, "middle", "name"),
                tag("g", text(0, 0, y, "middle", "name"), transform=upright),
            ]
        )

    def _across(self, value: float, label: str) -> Markup:
        place = self.y(value)
        line = _segment("grid", (self.x.start, place), (self.x.end, place))
        return join([line, text(self.x.start - 7, place + 4.5, label, "end")])

    def line(self, kind: str, xs: Iterable[float], ys: Iterable[float]) -> Markup:
        """Points joined in their order."""
        places = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))
        return tag("polyline", class_=f"line {kind}", points=places)

    def dot(self, kind: str, x: float, y: float) -> Markup:
        """A mark of a kind's own shape: round, and a diamond for the champion."""
        return mark(kind, f"{self.x(x):.1f}", f"{self.y(y):.1f}")

    def whisker(self, kind: str, x: float, ends: Ends) -> Markup:
        """An upright interval."""
        place = self.x(x)
        return _segment(f"whisker {kind}", (place, self.y(ends[0])), (place, self.y(ends[1])))

    def note(self, y: float, words: str) -> Markup:
        """A few words at the right, in the area itself."""
        return text(self.x.end - 4, self.y(y) + 4.5, words, "end", "name")

    def bar(self, kind: str, x: Ends, height: float) -> Markup:
        """A bar that stands on 0, or hangs from it."""
        left, right, edge, zero = self.x(x[0]), self.x(x[1]), self.y(height), self.y(0.0)
        size = {"width": right - left - 1.0, "height": abs(edge - zero)}
        return tag("rect", class_=f"bar {kind}", x=left + 0.5, y=min(edge, zero), **size)


def mark(kind: str, x: str, y: str) -> Markup:
    """A dot, or the champion's diamond, at a place that may be in per cent."""
    if kind != "champion":
        return tag("circle", class_=f"mark {kind}", cx=x, cy=y, r=4)
    diamond = tag("path", class_=f"mark {kind}", d="M0-5.5L5.5 0L0 5.5L-5.5 0Z")
    return tag("svg", diamond, x=x, y=y, overflow="visible")


def outline(edges: Sequence[float], heights: Sequence[float]) -> tuple[list[float], list[float]]:
    """The points of a line along the tops of bars.

    >>> outline([0.0, 1.0, 2.0], [5.0, 7.0])
    ([0.0, 1.0, 1.0, 2.0], [5.0, 5.0, 7.0, 7.0])
    """
    xs = [edge for ends in pairwise(edges) for edge in ends]
    return xs, [height for height in heights for _ in range(2)]


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """Kinds and what they are called, side by side above the plot."""
    starts = accumulate((52 + len(name) * CHARACTER for _, name in entries), initial=LEFT)
    return join(_entry(kind, name, start) for (kind, name), start in zip(entries, starts, strict=False))


def _entry(kind: str, name: str, start: float) -> Markup:
    sample = tag("polyline", class_=f"line {kind}", points=f"{start:.0f},14 {start + 24:.0f},14")
    return join([sample, text(start + 30, 18.5, name, "start", "name")])


def picture(name: str, title: str, description: str, parts: Iterable[str], size: Size = USUAL) -> Markup:
    """The whole plot; a screen reader says its title and description."""
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-desc"),
        *parts,
        class_="plot",
        viewBox=f"0 0 {size[0]:.0f} {size[1]:.0f}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def figure(image: str, title: str, caption: str) -> Markup:
    """An image under its title, with a sentence that says how to read it."""
    return tag("figure", tag("figcaption", tag("strong", title), " ", caption), image)


def _segment(kind: str, start: Ends, end: Ends) -> Markup:
    return tag("line", class_=kind, x1=start[0], y1=start[1], x2=end[0], y2=end[1])


def text(x: float, y: float, words: str, anchor: str, kind: str = "tick") -> Markup:
    """Words that begin at a place, end there, or have it in their `middle`."""
    return tag("text", words, class_=kind, x=x, y=y, text_anchor=anchor)
