"""A use case drawn at three levels from the objects that run: services, handlers, models.

Nothing here is a second description: services come from the table of stages, handlers from the steps of the
templates, models from the links of the chains.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from ml_pipeline.chain import Chain, Links
from ml_pipeline.contract import Mode
from ml_pipeline.data.joins import Join
from ml_pipeline.discovery import UseCase
from ml_pipeline.stages import Step, needs, steps, tasks
from ml_pipeline.templates import SERVE, TRAIN, BaseModel

Level = Literal["services", "handlers", "models"]
MODES: tuple[Mode, Mode] = ("offline", "online")


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


def draw(use_case: UseCase, level: Level) -> Drawing:
    """The graph of a use case at one level."""
    nodes, edges = {"services": _services, "handlers": _handlers, "models": _models}[level](use_case)
    return Drawing(tuple(dict.fromkeys(nodes)), tuple(dict.fromkeys(edges)))


def mermaid(drawing: Drawing) -> str:
    """As a Mermaid flow chart, which Airflow, GitHub and most wikis show as a picture."""
    number = {node.name: f"n{index}" for index, node in enumerate(drawing.nodes)}
    lines = ["flowchart LR"]
    for at, group in enumerate(dict.fromkeys(node.group for node in drawing.nodes)):
        lines.append(f'  subgraph g{at}["{group}"]')
        lines += [f'    {number[node.name]}["{node.label}"]' for node in drawing.nodes if node.group == group]
        lines.append("  end")
    for source, target, label in drawing.edges:
        arrow = f'-->|"{label}"|' if label else "-->"
        lines.append(f"  {number[source]} {arrow} {number[target]}")
    return "\n".join(lines)


Parts = tuple[list[Node], list[Edge]]


def _services(use_case: UseCase) -> Parts:
    """A box for each task, an arrow for each task that waits for another."""
    nodes, edges = [], []
    for mode in MODES:
        for task in tasks(use_case.config, mode):
            nodes.append(Node(f"{mode}.{task.name}", task.name, mode))
            edges += [Edge(f"{mode}.{need}", f"{mode}.{task.name}") for need in task.needs]
    return nodes, [*edges, *_champion(use_case, {step.stage.name: step.name for step in _all(use_case)}, "{}.{}")]


def _champion(use_case: UseCase, place: dict[str, str], form: str) -> list[Edge]:
    """What joins the two modes: scoring uses the champion that training promoted."""
    grouped = {
        (mode, step.name): task.name for mode in MODES for task in tasks(use_case.config, mode) for step in task.steps
    }
    source, target = grouped["offline", place["promote"]], grouped["online", place["serve"]]
    return [Edge(form.format("offline", source), form.format("online", target), "champion")]


def _all(use_case: UseCase) -> Iterator[Step]:
    for mode in MODES:
        yield from steps(use_case.config, mode)


def _handlers(use_case: UseCase) -> Parts:
    """For each stage the steps of its handler; between stages the data that one stores and another loads."""
    nodes, edges = [], []
    for mode in MODES:
        all_steps = steps(use_case.config, mode)
        for step in all_steps:
            sequence = TRAIN if step.stage.trains else SERVE
            names = [f"{mode}.{step.stage.name}.{part}" for part in sequence]
            group = f"{mode}: {step.stage.name}"
            nodes += [Node(name, part, group) for name, part in zip(names, sequence, strict=True)]
            edges += [Edge(before, after) for before, after in pairwise(names)]
            edges += [
                Edge(f"{mode}.{need.stage.name}.store_output", names[0], _kinds(need, step))
                for need in needs(step, all_steps)
                if need.stage != step.stage
            ]
    return nodes, edges


def _kinds(writer: Step, reader: Step) -> str:
    shared = [name.partition(".")[0] for name in writer.writes if name in reader.reads]
    return ", ".join(dict.fromkeys(shared))


def _models(use_case: UseCase) -> Parts:
    """Every function and model in the order it runs, and the columns that pass between them."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    config = use_case.config
    last: dict[str, str] = {}
    for name, source in config.sources.items():
        origin = last[source.derived] if source.derived else f"source.{name}"
        if not source.derived:
            nodes.append(Node(origin, name, f"prepare {name}"))
        prepared = use_case.load(source.prepare)
        last[name] = _add(nodes, edges, prepared, f"prepare {name}", origin)
    nodes.append(Node("join", Join.__name__, "combine"))
    edges += [Edge(end, "join", name) for name, end in last.items()]
    end = _add(nodes, edges, use_case.load(config.model), config.model.rpartition(".")[2], "join")
    _add(nodes, edges, use_case.load(config.postprocess), "postprocess", end)
    return nodes, edges


def _add(nodes: list[Node], edges: list[Edge], model: Any, group: str, start: str) -> str:
    """Draw what a model is made of after `start`; the name of its last box."""
    if isinstance(model, BaseModel):
        node = Node(group, _label(model), group)
        nodes.append(node)
        edges.append(Edge(start, node.name))
        return node.name
    if issubclass(model, Chain):
        return _add_encoders(nodes, edges, model, group, start)
    return _add_links(nodes, edges, model.steps, (group, start))


def _add_links(nodes: list[Node], edges: list[Edge], links: Links, place: tuple[str, str]) -> str:
    """Functions: an arrow from the one that made a column to the one that reads it."""
    group, start = place
    maker: dict[str, str] = {}
    for link in links:
        name = f"{group}.{link.name}"
        nodes.append(Node(name, link.name, group))
        reads: dict[str, list[str]] = {}
        for column in (*link.reads, *link.optional):
            reads.setdefault(maker.get(column, start), []).append(column)
        edges += [Edge(source, name, _listed(columns)) for source, columns in reads.items()]
        maker |= dict.fromkeys(link.writes, name)
    return f"{group}.{links[-1].name}"


def _add_encoders(nodes: list[Node], edges: list[Edge], model: type[Chain], group: str, start: str) -> str:
    """Models of a chain: an arrow from the one that last changed a column to the one that works on it."""
    changed = dict.fromkeys(model.inputs(), start)
    kinds = dict(model.inputs())
    name = start
    for at, link in enumerate(model.links()):
        name = f"{group}.{at}"
        nodes.append(Node(name, _label(link), group))
        reads: dict[str, list[str]] = {}
        for column in link.parameters["columns"] or changed:
            reads.setdefault(changed[column], []).append(column)
        edges += [Edge(source, name, _listed(columns)) for source, columns in reads.items()]
        after = link.outputs(link.parameters, kinds)
        touched = [*(link.parameters["columns"] or changed), *(set(after) - set(kinds))]
        changed, kinds = {**changed, **dict.fromkeys(touched, name)}, after
    return name


def _label(model: BaseModel) -> str:
    count = len(model.parameters["columns"])
    return type(model).__name__ + (f" ({count} columns)" if count > 1 else "")


def _listed(columns: list[str]) -> str:
    return ", ".join(columns[:3]) + (f" and {len(columns) - 3} more" if len(columns) > 3 else "")
