"""A drawing as an SVG picture: boxes in layers from left to right, frames around groups, no script, no font to load."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import NamedTuple

from ml_pipeline.drawing import Drawing, Node

CHARACTER, BOX, ROW, GAP, MARGIN = 7.0, 28.0, 40.0, 56.0, 16.0
"""Pixels: width of a character, height of a box, distance of rows, of layers, and around a frame."""

STYLE = """
text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1f2933}
.group{font-weight:600;fill:#52606d}
.frame{fill:#f5f7fa;stroke:#cbd2d9}
.box{fill:#fff;stroke:#3e6ae1;stroke-width:1.2}
path{fill:none;stroke:#7b8794;stroke-width:1.2;marker-end:url(#tip)}
marker path{fill:#7b8794;stroke:none;marker-end:none}
@media (prefers-color-scheme:dark){text{fill:#e4e7eb}.group{fill:#9aa5b1}.frame{fill:#1f2933;stroke:#3e4c59}
.box{fill:#323f4b;stroke:#7c9cff}path{stroke:#9aa5b1}marker path{fill:#9aa5b1}}
"""


TIP = """<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0L8 4L0 8z"/></marker>"""


class Place(NamedTuple):
    """Upper left corner and width of a box."""

    x: float
    y: float
    width: float


def svg(drawing: Drawing) -> str:
    """The picture; the same drawing gives the same text."""
    places, frames, size = _layout(drawing)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]:.0f} {size[1]:.0f}" role="img">',
        f"<style>{STYLE}</style>",
        TIP,
        *(_frame(name, place) for name, place in frames.items()),
        *(_arrow(places[edge.source], places[edge.target], edge.label) for edge in drawing.edges),
        *(_box(node, places[node.name]) for node in drawing.nodes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _layout(drawing: Drawing) -> tuple[dict[str, Place], dict[str, tuple[Place, float]], tuple[float, float]]:
    """Groups that feed one another stand side by side by layers; independent groups below one another."""
    layer = _layers(drawing)
    groups = list(dict.fromkeys(node.group for node in drawing.nodes))
    lefts = _columns(drawing, layer)
    places: dict[str, Place] = {}
    frames: dict[str, tuple[Place, float]] = {}
    top = MARGIN
    for group in groups:
        members = [node for node in drawing.nodes if node.group == group]
        fill: dict[int, int] = {}
        for node in members:
            row = fill[layer[node.name]] = fill.get(layer[node.name], -1) + 1
            y = top + MARGIN + 14 + row * ROW
            places[node.name] = Place(lefts[layer[node.name]], y, _width(node))
        height = MARGIN + 14 + max(fill.values()) * ROW + BOX + MARGIN
        own = [places[node.name] for node in members]
        left, right = min(p.x for p in own) - MARGIN, max(p.x + p.width for p in own) + MARGIN
        title = len(group) * (CHARACTER + 1) + 20
        frames[group] = (Place(left, top, max(right - left, title)), height)
        top += height + MARGIN
    return places, frames, (max(place.x + place.width for place, _ in frames.values()) + MARGIN, top)


def _layers(drawing: Drawing) -> dict[str, int]:
    """The longest way to each box. Boxes come in the order they run, so one pass per layer is enough."""
    layer = {node.name: 0 for node in drawing.nodes}
    for _ in drawing.nodes:
        moved = False
        for edge in drawing.edges:
            if layer[edge.target] <= layer[edge.source]:
                layer[edge.target] = layer[edge.source] + 1
                moved = True
        if not moved:
            break
    return layer


def _columns(drawing: Drawing, layer: Mapping[str, int]) -> list[float]:
    widths = [0.0] * (max(layer.values()) + 1)
    for node in drawing.nodes:
        widths[layer[node.name]] = max(widths[layer[node.name]], _width(node))
    lefts = [2 * MARGIN]
    for width in widths:
        lefts.append(lefts[-1] + width + GAP)
    return lefts


def _width(node: Node) -> float:
    return len(node.label) * CHARACTER + 20


def _frame(name: str, place: tuple[Place, float]) -> str:
    (x, y, width), height = place
    return (
        f'<rect class="frame" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="8"/>'
        f'<text class="group" x="{x + 10:.0f}" y="{y + 17:.0f}">{escape(name)}</text>'
    )


def _box(node: Node, place: Place) -> str:
    x, y, width = place
    title = f"<title>{escape(node.note)}</title>" if node.note else ""
    return (
        f'<rect class="box" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX:.0f}" rx="6">{title}</rect>'
        f'<text x="{x + 10:.0f}" y="{y + 18:.0f}">{escape(node.label)}</text>'
    )


def _arrow(source: Place, target: Place, label: str) -> str:
    x1, y1 = source.x + source.width, source.y + BOX / 2
    x2, y2 = target.x - 2, target.y + BOX / 2
    bend = max((x2 - x1) / 2, 24.0)
    title = f"<title>{escape(label)}</title>" if label else ""
    curve = f"C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return f'<path d="M{x1:.0f} {y1:.0f}{curve}">{title}</path>'
