"""The promotion log as a table."""

from __future__ import annotations

from collections.abc import Sequence

from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import moment
from ml_pipeline_airflow.models_page.visitor import link

COLUMNS = ("Entry", "When", "What", "Champion", "In place of", "By", "Why")


def log_table(use_case: str, log: Sequence[Promotion], caption: str) -> Markup:
    """A line for each entry."""
    return table(caption, COLUMNS, [_entry(use_case, own) for own in log])


def _entry(use_case: str, own: Promotion) -> Row:
    both = [link(name, use_case, "models", name) if name else join([NONE]) for name in (own.to, own.previous)]
    why = tag("span", own.reason, class_="words")
    return Row(str(own.number), [moment(own.at) if own.at else NONE, own.kind, *both, own.actor, why])
