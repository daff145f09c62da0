"""Boxes and arrows, and the drawing of a use case's services, which follows from the table of stages."""

from __future__ import annotations

from typing import NamedTuple

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.stages import tasks


class Node(NamedTuple):
    """A box. `group` is the frame it stands in; `note` is said beside the label."""

    name: str
    label: str
    group: str
    note: str = ""


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
    """A box for each task of a use case, with its container image; an arrow for each task that waits for another."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    place: dict[tuple[str, str], str] = {}
    for mode in config.modes:
        for task in tasks(config, mode):
            name = f"{mode}.{task.name}"
            nodes.append(Node(name, task.name, mode, f"image {task.image}"))
            edges += [Edge(f"{mode}.{need}", name) for need in task.needs]
            place |= {(mode, step.stage.name): name for step in task.steps}
    ways = [("offline", ("online", "serve"))]
    if config.learning:
        ways += [("offline", ("learning", "train")), ("learning", ("online", "serve"))]
    edges += [Edge(place[mode, "promote"], place[reader], "champion") for mode, reader in ways]
    if config.monitoring:
        edges.append(Edge(place["online", "serve"], place["monitoring", "monitor"], "predictions"))
    return Drawing(tuple(dict.fromkeys(nodes)), tuple(dict.fromkeys(edges)))
