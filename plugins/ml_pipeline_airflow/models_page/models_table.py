"""Models as a table: how good they are, and what the gate said of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ml_pipeline.artifacts.promotion_log import READERS
from ml_pipeline.errors import PipelineError
from ml_pipeline.lineage.overview import row
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, interval, measured
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import meaning
from ml_pipeline_airflow.models_page import words
from ml_pipeline_airflow.models_page.frame import problem
from ml_pipeline_airflow.models_page.place import Place
from ml_pipeline_airflow.models_page.visitor import link

METRICS = 2
"""Metrics that are shown of a model, the first that it was judged by."""


def models_table(place: Place, versions: Sequence[str], champion: str, caption: str) -> Markup:
    """A line for each version; of one that cannot be read, why."""
    with ThreadPoolExecutor(READERS) as readers:
        found = list(readers.map(lambda version: _found(place, version, version == champion), versions))
    names = list(dict.fromkeys(name for own in found for name in list(own["metrics"])[:METRICS]))
    rows = [_model(place.name, own, names) for own in found]
    columns = ("Model", "Role", "Data of", "Rows", *(meaning(name).name for name in names), "Verdict")
    return table(caption, columns, rows)


def _found(place: Place, version: str, champion: bool) -> dict[str, Any]:
    unread: dict[str, Any] = {"version": version, "champion": champion, "metrics": {}, "passed": None}
    try:
        return row(place.registry, version, champion)
    except PipelineError as error:
        return {**unread, "problem": str(error)}


def _model(use_case: str, own: dict[str, Any], names: Sequence[str]) -> Row:
    heading = link(own["version"], use_case, "models", own["version"])
    if "problem" in own:
        return Row(join([heading, problem(own["problem"])]), [""] * (len(names) + 4))
    made_up = tag("small", "synthetic data") if own["synthetic"] else ""
    role = words.role(own["champion"])
    cells = [role, words.aged(own["as_of"]), f"{own['rows']:,}", *(_metric(own["metrics"].get(name)) for name in names)]
    return Row(join([heading, made_up]), [*cells, words.verdict(own["passed"])])


def _metric(own: Any) -> Markup:
    return join([measured(own), tag("small", interval(own))]) if own else join([NONE])
