from __future__ import annotations

import re
from itertools import combinations
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.discovery import find, names
from ml_pipeline.graph import Drawing, Edge, Level, Node, draw
from ml_pipeline.picture import svg

SVG = "{http://www.w3.org/2000/svg}"
LEVELS: tuple[Level, ...] = ("services", "handlers", "models")
LABELS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=30)


class Rectangle(NamedTuple):
    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Rectangle) -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )

    def within(self, other: Rectangle) -> bool:
        return (
            other.x <= self.x
            and other.y <= self.y
            and self.x + self.width <= other.x + other.width
            and self.y + self.height <= other.y + other.height
        )


@st.composite
def drawings(draws: st.DrawFn) -> Drawing:
    """Boxes in running order, in frames, with arrows forward."""
    labels = draws(st.lists(LABELS, min_size=1, max_size=8))
    groups = draws(st.lists(LABELS, min_size=1, max_size=3, unique=True))
    nodes = [Node(str(at), label, draws(st.sampled_from(groups))) for at, label in enumerate(labels)]
    pairs = draws(st.lists(st.tuples(*[st.integers(0, len(nodes) - 1)] * 2), max_size=8))
    edges = [Edge(str(min(a, b)), str(max(a, b)), draws(LABELS)) for a, b in pairs if a != b]
    return Drawing(tuple(nodes), tuple(dict.fromkeys(edges)))


def parsed(drawing: Drawing) -> ET.Element:
    return ET.fromstring(svg(drawing))


def rectangles(root: ET.Element, kind: str) -> list[Rectangle]:
    found = [shape for shape in root.iter(f"{SVG}rect") if shape.get("class") == kind]
    return [Rectangle(*(float(shape.get(side, "")) for side in ("x", "y", "width", "height"))) for shape in found]


def check(drawing: Drawing) -> None:
    """What holds for every picture."""
    root = parsed(drawing)
    canvas = Rectangle(*map(float, root.get("viewBox", "").split()))
    boxes, frames = rectangles(root, "box"), rectangles(root, "frame")
    assert len(boxes) == len(drawing.nodes)
    assert len(frames) == len({node.group for node in drawing.nodes})
    assert all(shape.within(canvas) for shape in [*boxes, *frames])
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert not [pair for pair in combinations(frames, 2) if pair[0].overlaps(pair[1])]
    assert all(sum(box.within(frame) for frame in frames) == 1 for box in boxes)
    texts = [text.text for text in root.findall(f"{SVG}text") if text.get("class") is None]
    assert texts == [node.label for node in drawing.nodes]
    arrows = list(root.findall(f"{SVG}path"))
    assert [path.findtext(f"{SVG}title", "") for path in arrows] == [edge.label for edge in drawing.edges]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", names())
class TestUseCases:
    def test_the_picture_is_sound(self, name: str, level: Level) -> None:
        check(draw(find(name), level))

    def test_there_is_no_script_and_no_address_outside(self, name: str, level: Level) -> None:
        text = svg(draw(find(name), level))
        root = ET.fromstring(text)
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
            "svg", "style", "marker", "path", "rect", "text", "title",
        }  # fmt: skip
        attributes = {name for element in root.iter() for name in element.attrib}
        assert not [name for name in attributes if "href" in name or name.startswith("on") or name == "src"]
        assert set(re.findall(r"url\([^)]*\)", text)) == {"url(#tip)"}
        assert re.findall(r"[a-z]+://[^\"' )]*", text) == ["http://www.w3.org/2000/svg"]
        assert "@import" not in text


@settings(max_examples=40)
@given(drawings())
def test_any_drawing_is_laid_out_without_overlap_inside_the_canvas(drawing: Drawing) -> None:
    check(drawing)


@settings(max_examples=40)
@given(drawings())
def test_the_same_drawing_gives_the_same_text(drawing: Drawing) -> None:
    assert svg(drawing) == svg(drawing)


def test_an_arrow_starts_at_the_right_of_one_box_and_ends_at_the_left_of_the_other() -> None:
    root = parsed(Drawing((Node("a", "one", "g"), Node("b", "two", "g")), (Edge("a", "b", "x"),)))
    left, right = rectangles(root, "box")
    path = root.find(f"{SVG}path")
    assert path is not None
    numbers = [float(number) for number in re.findall(r"-?\d+", path.get("d", ""))]
    assert numbers[:2] == [left.x + left.width, left.y + left.height / 2]
    assert right.x - 4 <= numbers[-2] <= right.x
    assert numbers[-1] == right.y + right.height / 2
