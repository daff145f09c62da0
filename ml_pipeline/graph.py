"""A use case drawn at three levels from the objects that run: services, handlers, models.

Nothing here is a second description: services come from the table of stages, handlers from the steps of the
templates, models from the links of the chains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from ml_pipeline.chain import Chain, Links
from ml_pipeline.data.joins import Join
from ml_pipeline.data.splits import PARTS
from ml_pipeline.discovery import UseCase
from ml_pipeline.drawing import Drawing, Edge, Node, services
from ml_pipeline.handlers.postprocess import RANK
from ml_pipeline.handlers.split import Parting
from ml_pipeline.stages import Step, needs, steps
from ml_pipeline.templates import SERVE, TRAIN, BaseModel

Level = Literal["services", "handlers", "models"]
SAID = ("model_version", RANK)
"""Columns that scoring adds to the joined ones, besides those that the model predicts."""


def draw(use_case: UseCase, level: Level) -> Drawing:
    """The graph of a use case at one level."""
    if level == "services":
        return services(use_case.config)
    nodes, edges = {"handlers": _handlers, "models": _models}[level](use_case)
    return Drawing(tuple(dict.fromkeys(nodes)), tuple(dict.fromkeys(edges)))


def mermaid(drawing: Drawing) -> str:
    """As a Mermaid flow chart, which Airflow, GitHub and most wikis show as a picture."""
    number = {node.name: f"n{index}" for index, node in enumerate(drawing.nodes)}
    lines = ["flowchart LR"]
    for at, group in enumerate(dict.fromkeys(node.group for node in drawing.nodes)):
        lines.append(f'  subgraph g{at}["{group}"]')
        lines += [f'    {number[node.name]}["{_text(node)}"]' for node in drawing.nodes if node.group == group]
        lines.append("  end")
    for source, target, label in drawing.edges:
        arrow = f'-->|"{label}"|' if label else "-->"
        lines.append(f"  {number[source]} {arrow} {number[target]}")
    return "\n".join(lines)


def _text(node: Node) -> str:
    return f"{node.label}<br/>{node.note}" if node.note else node.label


Parts = tuple[list[Node], list[Edge]]


def _handlers(use_case: UseCase) -> Parts:
    """For each stage the steps of its handler; between stages the data that one stores and another loads."""
    nodes, edges = [], []
    for mode in use_case.config.modes:
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
    ways = [("offline", "online.serve.load_params")]
    if use_case.config.learning:
        ways += [("offline", "learning.train.load_params"), ("learning", "online.serve.load_params")]
    edges += [Edge(f"{mode}.promote.store_output", reader, "champion") for mode, reader in ways]
    if use_case.config.monitoring:
        edges.append(Edge("online.serve.store_output", "monitoring.monitor.load_data", "predictions"))
    return nodes, edges


def _kinds(writer: Step, reader: Step) -> str:
    shared = [name.partition(".")[0] for name in writer.writes if name in reader.reads]
    return ", ".join(dict.fromkeys(shared))


def _models(use_case: UseCase) -> Parts:
    """Every function and model in the order it runs, and the columns that pass between them."""
    config, sheet = use_case.config, _Sheet([], [])
    raw: dict[str, _Origin] = {}
    ends: dict[str, str] = {}
    for step in steps(config, "offline"):
        source = config.sources.get(step.source)
        if source and step.stage.name == "ingest":
            raw[step.source] = sheet.source(step.source, use_case.load(source.reader).adds)
        elif source:
            origin = _Origin(ends[source.derived]) if source.derived else raw[step.source]
            ends[step.source] = sheet.add(use_case.load(source.prepare), f"prepare {step.source}", origin)
    sheet.nodes.extend((Node("join", Join.__name__, "combine"), Node("split", Parting.__name__, "split")))
    sheet.edges.extend(Edge(end, "join", name) for name, end in ends.items())
    sheet.edges.append(Edge("join", "split"))
    model, group = use_case.load(config.model), config.model.rpartition(".")[2]
    end = sheet.add(model, group, _Origin("join"))
    sheet.edges.append(Edge("split", f"{group}.0", ", ".join(PARTS)))
    scored = _Origin("join", dict.fromkeys((*model.predicted(), *SAID), end))
    sheet.add(use_case.load(config.postprocess), "postprocess", scored)
    return sheet.nodes, sheet.edges


class _Origin(NamedTuple):
    """The box that columns come from, save those that another one made."""

    start: str
    makers: Mapping[str, str] = {}


class _Sheet(NamedTuple):
    """Boxes and arrows drawn so far."""

    nodes: list[Node]
    edges: list[Edge]

    def source(self, name: str, adds: Links) -> _Origin:
        """A source and what is added to its records."""
        start = f"source.{name}"
        self.nodes.append(Node(start, name, f"ingest {name}"))
        return _Origin(start, self._links(adds, f"ingest {name}", _Origin(start)))

    def add(self, model: Any, group: str, origin: _Origin) -> str:
        """What a model is made of; the name of its last box."""
        if isinstance(model, BaseModel):
            self.nodes.append(Node(group, _label(model), group))
            self._arrows(group, model.parameters["columns"], origin)
        elif issubclass(model, Chain):
            self._encoders(model, group, origin.start)
        else:
            self._links(model.steps, group, origin)
        return self.nodes[-1].name

    def _links(self, links: Links, group: str, origin: _Origin) -> dict[str, str]:
        """Functions: an arrow from the one that made a column to the one that reads it; who made which."""
        made = dict(origin.makers)
        for at, link in enumerate(links):
            name = f"{group}.{at}"
            self.nodes.append(Node(name, link.name, group))
            self._arrows(name, (*link.reads, *link.optional), _Origin(origin.start, made))
            made |= dict.fromkeys(link.writes, name)
        return made

    def _encoders(self, model: type[Chain], group: str, start: str) -> None:
        """Models of a chain: an arrow from the one that last changed a column to the one that works on it."""
        kinds = dict(model.inputs())
        changed: dict[str, str] = {}
        for at, link in enumerate(model.links()):
            name = f"{group}.{at}"
            self.nodes.append(Node(name, _label(link), group))
            works_on = link.parameters["columns"] or [column for column in kinds if kinds[column] in link.accepts]
            self._arrows(name, works_on, _Origin(start, changed))
            after = link.outputs(link.parameters, kinds)
            new = [column for column in after if column not in kinds]
            changed, kinds = {**changed, **dict.fromkeys([*works_on, *new], name)}, after

    def _arrows(self, target: str, columns: Iterable[str], origin: _Origin) -> None:
        reads: dict[str, list[str]] = {}
        for column in columns:
            reads.setdefault(origin.makers.get(column, origin.start), []).append(column)
        self.edges.extend(Edge(source, target, _listed(found)) for source, found in reads.items())


def _label(model: BaseModel) -> str:
    count = len(model.parameters["columns"])
    return type(model).__name__ + (f" ({count} columns)" if count > 1 else "")


def _listed(columns: list[str]) -> str:
    return ", ".join(columns[:3]) + (f" and {len(columns) - 3} more" if len(columns) > 3 else "")
