"""What each run of monitoring found, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from ml_pipeline.handlers.snapshots import folder_name
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import moment, some
from ml_pipeline_airflow.models_page import words
from ml_pipeline_airflow.models_page.health import Health
from ml_pipeline_airflow.models_page.visitor import link

AT_ONCE, SENTENCES = 4, 3
"""Sentences that are shown of a run where it stands first, and in the table."""
COLUMNS = ("Monitored as of", "Severity", "What was found")


def monitored(use_case: str, watched: Sequence[Health]) -> Markup:
    """A line for every run; the newest first."""
    rows = [_line(use_case, own) for own in watched]
    return table(f"The newest {len(rows)} runs of monitoring", COLUMNS, rows)


def newest(use_case: str, own: Health) -> Markup:
    """What the newest run found, where to read on, and how old that is."""
    page = link("its page", use_case, "monitoring", folder_name(own.result.as_of))
    line = tag("p", "Health: ", words.state(own.severity), ", as of ", words.age(own.as_of), "; ", page)
    return join([line, tag("ul", *(tag("li", sentence) for sentence in some(own.reasons, AT_ONCE)), class_="small")])


def _line(use_case: str, own: Health) -> Row:
    as_of = own.result.as_of
    found = tag("ul", *(tag("li", sentence) for sentence in some(own.reasons, SENTENCES)), class_="words")
    report = link(moment(as_of.isoformat()), use_case, "monitoring", folder_name(as_of))
    return Row(report, [words.state(own.severity), found])
