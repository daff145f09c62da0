"""The report of a model."""

from __future__ import annotations

from ml_pipeline.report import card, coefficients, columns_table, lineage, slices
from ml_pipeline.report.curve_plots import plots
from ml_pipeline.report.document import document
from ml_pipeline.report.facts import Facts
from ml_pipeline.report.markup import Markup
from ml_pipeline.report.metrics_table import metrics_table
from ml_pipeline.report.verdict import header


def render(facts: Facts) -> str:
    """The page; the same facts give the same text."""
    return document(f"{facts.config.name} {facts.model.get('version', '')}", header(facts), _sections(facts))


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
