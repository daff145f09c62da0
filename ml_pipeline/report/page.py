"""The report: one HTML file that needs nothing else, no script, no font, no image from outside."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from ml_pipeline.report import card, coefficients, columns_table, lineage, slices
from ml_pipeline.report.curve_plots import plots
from ml_pipeline.report.facts import Facts
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.metrics_table import metrics_table
from ml_pipeline.report.verdict import header

# Whatever a use case may call its columns, a browser neither runs nor fetches anything.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render(facts: Facts) -> str:
    """The page; the same facts give the same text."""
    sections = _sections(facts)
    body = tag("body", header(facts), _contents(sections), tag("main", *map(_section, sections, sections.values())))
    return f"<!DOCTYPE html>\n{tag('html', _head(facts), body, lang='en')}\n"


def _sections(facts: Facts) -> dict[str, Markup]:
    """By title, in the order of the page."""
    config = facts.config
    return {
        "Card": card.section(facts),
        "Metrics": metrics_table(facts.metrics),
        "Curves": plots(facts.metrics, config.label),
        "Slices": slices.section(facts.metrics, config.evaluate),
        "Coefficients": coefficients.section(facts.parameters),
        "Data": columns_table.section(facts.profile),
        "Lineage": lineage.section(facts.model, facts.graph),
    }


def _head(facts: Facts) -> Markup:
    style = files("ml_pipeline.report").joinpath("report.css").read_text("utf-8")
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{facts.config.name} {facts.model.get('version', '')}"),
        tag("style", Markup(style)),
    )


def _contents(sections: Mapping[str, Markup]) -> Markup:
    links = (tag("a", title, href=f"#{title.lower()}") for title in sections)
    return tag("nav", join(join([link, " "]) for link in links), aria_label="Sections")


def _section(title: str, content: Markup) -> Markup:
    name = title.lower()
    return tag("section", tag("h2", title, id=name), content, aria_labelledby=name)
