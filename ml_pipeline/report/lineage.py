"""What the model was made from, down to digests."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import plural

SHORT, FEW = 12, 8
"""Characters of a digest that are shown, of which model.yaml has all; snapshots up to which all are shown at once."""


def section(model: Mapping[str, Any], graph: str) -> Markup:
    """The graph of the services, and a list of what went in."""
    system = model.get("system", {})
    snapshots, parts = model.get("snapshots", []), model.get("made_from", {})
    entries = [
        *((("Went on from the model", tag("code", start)),) if (start := model.get("start")) else ()),
        ("System version", _code(model.get("system_version", ""))),
        ("Source", plural(len(system.get("source", {})), "file")),
        ("Snapshots", _snapshots(snapshots)),
        *((f"{part.capitalize()} split", _code(digest)) for part, digest in parts.items()),
        *(_installed(kind, system[kind]) for kind in ("images", "dependencies") if kind in system),
        ("Seed", str(model.get("seed", ""))),
    ]
    described = tag("dl", *(join([tag("dt", name), tag("dd", value)]) for name, value in entries))
    told = "Services that trained this model and serve it, in the order they run."
    alt = "Graph of the services, from the sources to the promotion of a model"
    return join([drawn(graph, "Graph of the services", alt, told) if graph else "", described])


def drawn(graph: str, name: str, alt: str, caption: str) -> Markup:
    """An SVG graph as an image: its styles and names stay its own, and nothing in it can run."""
    width = re.search(r'viewBox="0 0 (\d+)', graph)
    size = {"width": width[1]} if width else {}
    address = f"data:image/svg+xml;base64,{b64encode(graph.encode()).decode('ascii')}"
    image = tag("img", src=address, alt=alt, **size)
    box = tag("div", image, class_="scroll", tabindex=0, role="region", aria_label=name)
    return tag("figure", box, tag("figcaption", caption), class_="wide")


def _installed(kind: str, found: Mapping[str, Any]) -> tuple[str, Markup]:
    if kind == "images":
        listed = join(
            join([tag("br") if at else "", f"{name} ", _code(str(held))])
            for at, (name, held) in enumerate(found.items())
        )
        return "Images", listed
    packages = ", ".join(f"{name} {version}" for name, version in found.items())
    return "Packages", tag("details", tag("summary", plural(len(found), "package")), packages)


def _snapshots(digests: Sequence[str]) -> Markup:
    counted = plural(len(digests), "snapshot")
    if len(digests) > FEW:
        return tag("details", tag("summary", counted), _codes(digests))
    return join([counted, ": ", _codes(digests)])


def _codes(digests: Sequence[str]) -> Markup:
    return join(join([" " if at else "", _code(digest)]) for at, digest in enumerate(digests))


def _code(digest: str) -> Markup:
    return tag("code", digest[:SHORT])
