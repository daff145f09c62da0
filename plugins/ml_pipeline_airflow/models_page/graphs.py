"""A use case's graph at one of three levels, as a picture and as a table."""

from __future__ import annotations

from fastapi.responses import HTMLResponse

from ml_pipeline.drawing import Drawing
from ml_pipeline.errors import NotFoundError
from ml_pipeline.graph import Level, draw
from ml_pipeline.picture import svg
from ml_pipeline.report.lineage import drawn
from ml_pipeline.report.markup import Markup, tag
from ml_pipeline.report.table import Row, table
from ml_pipeline_airflow.models_page.frame import page, path
from ml_pipeline_airflow.models_page.place import Place
from ml_pipeline_airflow.models_page.visitor import link

LEVELS: dict[str, Level] = {"services": "services", "handlers": "handlers", "models": "models"}
TOLD = {
    "services": "Tasks, each with its container image, and who waits for whom.",
    "handlers": "The steps of each stage's handler, and the data that pass between stages.",
    "models": "Every function and model in the order it runs, and the columns that pass between them.",
}


def show(name: str, level: str) -> HTMLResponse:
    """The page.

    Raises:
        NotFoundError: there is no such level.
        ConfigError: the use case is broken.
    """
    if level not in LEVELS:
        raise NotFoundError("there is no such graph", given=level, expected=", ".join(LEVELS))
    drawing = draw(Place.of(name).use_case(), LEVELS[level])
    title = f"Graph of the {level}"
    sections = {"Picture": drawn(svg(drawing), title, f"{title}; the table below says the same", TOLD[level])}
    sections["Table"] = _table(drawing)
    return page(f"{name} {level}", [path((name, name), here=title), tag("h1", title), others(name, level)], sections)


def others(name: str, here: str = "") -> Markup:
    """Links to all levels, but to the one that is shown."""
    levels = [
        tag("span", level, aria_current="page") if level == here else link(level, name, "graphs", level)
        for level in LEVELS
    ]
    return tag("nav", *(part for level in levels for part in (level, " ")), aria_label="Graphs")


def _table(drawing: Drawing) -> Markup:
    """What the arrows say; some graphs' arrows carry no words."""
    called = {node.name: f"{node.group}: {node.label}" for node in drawing.nodes}
    columns = ("From", "To", *(("What passes",) if any(label for *_, label in drawing.edges) else ()))
    rows = [
        Row(called[source], [called[target], tag("span", label, class_="words")][: len(columns) - 1])
        for source, target, label in drawing.edges
    ]
    return table("Arrows of the picture", columns, rows)
