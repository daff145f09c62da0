"""One use case: who is champion, how it does, who came before, who may come after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from fastapi.responses import HTMLResponse

from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.lineage.history import before
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.table import Row, table
from ml_pipeline_airflow.models_page import words
from ml_pipeline_airflow.models_page.comparison import comparison_form
from ml_pipeline_airflow.models_page.data import data
from ml_pipeline_airflow.models_page.drift import drift
from ml_pipeline_airflow.models_page.frame import decision, listed, page, path, told
from ml_pipeline_airflow.models_page.graphs import others
from ml_pipeline_airflow.models_page.health import Health, history
from ml_pipeline_airflow.models_page.models_table import models_table
from ml_pipeline_airflow.models_page.monitored import monitored, newest
from ml_pipeline_airflow.models_page.performance import performance
from ml_pipeline_airflow.models_page.place import Place
from ml_pipeline_airflow.models_page.promotions import log_table
from ml_pipeline_airflow.models_page.runs import Run, dag_of, newest_of
from ml_pipeline_airflow.models_page.stored_table import stored_rows
from ml_pipeline_airflow.models_page.use_cases import MODES
from ml_pipeline_airflow.models_page.visitor import Visitor, link

MODELS, ENTRIES, RUNS, WATCHED = 10, 20, 10, 10
"""Models, promotions, runs and runs of monitoring that are shown, the newest of each."""
AT_ONCE = 8
"""Parts of the page that are made together: most of the time they wait for the store."""


class Seen(NamedTuple):
    """What several parts of the page tell of; `lines` are data and drift over time, read once for all of them."""

    place: Place
    log: Sequence[Promotion]
    watched: Sequence[Health]
    lines: Callable[[], list[dict[str, Any]]]


def show(visitor: Visitor, name: str) -> HTMLResponse:
    """The page; a part that cannot be shown says why in its place."""
    place, problems = Place.of(name), list[Markup]()
    with ThreadPoolExecutor(AT_ONCE) as makers:
        entries = makers.submit(listed, lambda: place.registry.log.newest(ENTRIES), problems)
        monitoring = makers.submit(listed, lambda: history(place.registry.store, place.name, WATCHED), problems)
        log, watched = entries.result(), monitoring.result()
        lines = makers.submit(lambda: stored_rows(place.registry.store, watched[0].result, "health") if watched else [])
        known = Seen(place, log, watched, lines.result)
        parts = [makers.submit(told, partial(make, known)) for make in PARTS.values()]
        sections = {title: part.result() for title, part in zip(PARTS, parts, strict=True)}
    decide = _decisions(visitor, place, known.log, problems)
    return page(name, [*_header(known), *problems], {**sections, "Graphs": others(name), **decide})


def _header(known: Seen) -> list[Markup]:
    place, watched = known.place, known.watched
    question = told(lambda: tag("h1", place.use_case().config.question))
    if not question.startswith("<h1"):
        question = join([tag("h1", place.name), question])
    health = [newest(place.name, watched[0])] if watched else []
    return [path(here=place.name), question, _champion(place, known.log), *health]


def _champion(place: Place, log: Sequence[Promotion]) -> Markup:
    if not log:
        return tag("p", "No model is champion yet: nothing was promoted.")
    last = log[0]
    ages = [", from data of ", words.age(last.as_of), ", champion since ", words.age(last.at)]
    return tag("p", "Champion: ", link(last.to, place.name, "models", last.to), *ages)


def _performance(known: Seen) -> Markup:
    return performance(known.place.registry, known.watched[0]) if known.watched else _unwatched()


def _drift(known: Seen) -> Markup:
    return drift(known.lines()) if known.watched else _unwatched()


def _data(known: Seen) -> Markup:
    return data(known.lines()) if known.watched else _unwatched()


def _monitoring(known: Seen) -> Markup:
    return monitored(known.place.name, known.watched) if known.watched else _unwatched()


def _unwatched() -> Markup:
    return tag("p", "Nothing was monitored yet: no run of its DAG of monitoring has come to a verdict.")


def _models(known: Seen) -> Markup:
    """The newest by as-of, candidates and champions, each with its verdict."""
    place, log = known.place, known.log
    champion = log[0].to if log else ""
    near = dt.datetime.fromisoformat(log[0].as_of) if log else dt.datetime.now(dt.UTC)
    versions = [version for _, version in place.registry.newest(MODELS, near)]
    if not versions:
        return tag("p", "No model was trained yet.")
    shown = models_table(place, versions, champion, f"The newest {len(versions)} models, by the moment of their data")
    others = [version for version in versions if version != champion]
    pair = ("champion", others[0]) if others[:1] == versions[:1] else (*others[:1], "champion")
    return join([shown, comparison_form(place.name, pair[0], pair[-1])])


def _log(known: Seen) -> Markup:
    if not known.log:
        return tag("p", "Nothing was promoted yet.")
    caption = f"The newest {len(known.log)} entries of the promotion log"
    return log_table(known.place.name, known.log, caption)


def _runs(known: Seen) -> Markup:
    name = known.place.name
    found = newest_of(name, MODES, RUNS)
    if not found:
        return tag("p", "None of its DAGs has run in this Airflow yet.")
    rows = [Row(_run(name, run), words.run_cells(run, name)) for run in found]
    return table(f"The newest {len(rows)} runs of its DAGs", ("Run", "DAG", "State", "Due", "Took"), rows)


def _run(name: str, run: Run) -> Markup:
    return link(run.run_id, dag_of(name, run.mode), "runs", run.run_id)


def _decisions(visitor: Visitor, place: Place, log: Sequence[Promotion], problems: list[Markup]) -> dict[str, Markup]:
    """What this visitor may decide here; no section where that is nothing."""
    forms = []
    switched = log[:1] if visitor.may_promote(place.name) else []
    for target in filter(None, listed(lambda: [before(place.registry, own) for own in switched], problems)):
        told = f"Makes {target}, the champion before, champion again, once it has proved that it predicts as it did."
        hidden = {"version": target, "seen": str(log[0].number)}
        forms.append(decision(visitor, "Roll back", (place.name, "rollback"), hidden, told))
    if visitor.may_retrain(place.name):
        told = "Starts a run of the training DAG as of now; what it trains becomes champion by the same gate as ever."
        forms.append(decision(visitor, "Retrain", (place.name, "retrain"), {}, told))
    return {"Decide": tag("div", *forms, class_="decisions")} if forms else {}


PARTS: dict[str, Callable[[Seen], Markup]] = {
    "Performance": _performance,
    "Drift": _drift,
    "Data": _data,
    "Monitoring": _monitoring,
    "Models": _models,
    "Promotions": _log,
    "Runs": _runs,
}
"""Title -> what makes a section."""
