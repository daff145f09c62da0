"""Boxes and arrows, and the drawing of a use case's services, which follows from the table of stages."""

from __future__ import annotations

from typing import NamedTuple

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import MODES, Mode
from ml_pipeline.stages import tasks


class Node(NamedTuple):
    """A box. `group` is the frame it stands in."""

    name: str
    label: str
    group: str


class Edge(NamedTuple):
    """An arrow between two boxes, and what passes along it."""

    source: str
    target: str
    label: str = ""


class Drawing(NamedTuple):
    """Boxes in the order they run, and arrows."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def services(config: UseCaseConfig) -> Drawing:
    """A box for each task of a use case, an arrow for each task that waits for another."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    place: dict[tuple[Mode, str], str] = {}
    for mode in MODES:
        for task in tasks(config, mode):
            name = f"{mode}.{task.name}"
            nodes.append(Node(name, task.name, mode))
            edges += [Edge(f"{mode}.{need}", name) for need in task.needs]
            place |= {(mode, step.stage.name): name for step in task.steps}
    edges.append(Edge(place["offline", "promote"], place["online", "serve"], "champion"))
    return Drawing(tuple(dict.fromkeys(nodes)), tuple(dict.fromkeys(edges)))
