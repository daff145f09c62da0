"""One run of Airflow's: the models that its tasks made or worked with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi.responses import HTMLResponse

from ml_pipeline.contract import Mode
from ml_pipeline.handlers.snapshots import folder_name
from ml_pipeline.report.markup import Markup, tag
from ml_pipeline.report.numbers import NONE
from ml_pipeline.report.table import Row, table
from ml_pipeline_airflow.models_page import words
from ml_pipeline_airflow.models_page.frame import page, path, told
from ml_pipeline_airflow.models_page.models_table import models_table
from ml_pipeline_airflow.models_page.place import Place
from ml_pipeline_airflow.models_page.runs import dag_of, one_run, summaries
from ml_pipeline_airflow.models_page.visitor import link

COLUMNS = ("Step", "Task", "Model", "How it went", "Rows in", "Rows out", "Took")
Summaries = Mapping[str, Mapping[str, Any]]


def show(name: str, mode: Mode, run_id: str) -> HTMLResponse:
    """The page.

    Raises:
        NotFoundError: there is no such run.
    """
    place, run = Place.of(name), one_run(name, mode, run_id)
    found = summaries(name, mode, run_id)
    state = tag("p", tag("code", run_id), " of ", tag("code", dag_of(name, mode)), ": ", words.state(run.state))
    header = [path((name, name), here="A run"), tag("h1", "What a run made"), state, *_monitored(name, mode, found)]
    sections = {"Models": told(lambda: _models(place, found)), "Tasks": _tasks(name, found)}
    return page(f"{name} {run_id}", header, sections)


def _monitored(name: str, mode: Mode, found: Summaries) -> Iterator[Markup]:
    """The page that monitoring left."""
    if mode == "monitoring" and found:
        as_of = dt.datetime.fromisoformat(next(iter(found.values()))["as_of"])
        yield tag("p", link("What it found", name, "monitoring", folder_name(as_of)))


def _models(place: Place, found: Summaries) -> Markup:
    versions = list(dict.fromkeys(own["model_version"] for own in found.values() if own["model_version"]))
    if not versions:
        return tag("p", "No task of this run has come to a model.")
    log = place.registry.log.newest(1)
    return models_table(place, versions, log[0].to if log else "", "Models that it made or worked with")


def _tasks(name: str, found: Summaries) -> Markup:
    rows = [_step(name, task, own, step) for task, own in found.items() for step in own["steps"].items()]
    if not rows:
        return tag("p", "No task of this run has ended well.")
    return table("Steps of the tasks that have ended well", COLUMNS, rows)


def _step(name: str, task: str, own: Mapping[str, Any], step: tuple[str, Mapping[str, Any]]) -> Row:
    called, did = step
    version = own["model_version"]
    model = link(version, name, "models", version) if version else NONE
    sizes = [f"{did[which]:,}" for which in ("rows_in", "rows_out")]
    status = tag("span", did["status"], class_="state soft")
    return Row(called, [task, model, status, *sizes, f"{did['seconds']:.1f} s"])
