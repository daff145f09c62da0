"""One use case: who is champion, how it does, who came before, who may come after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from fastapi.responses import HTMLResponse

from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.errors import PipelineError
from ml_pipeline.lineage.overview import row
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, interval, measured
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import meaning
from ml_pipeline_airflow.models_page import words
from ml_pipeline_airflow.models_page.comparison import comparison_form
from ml_pipeline_airflow.models_page.frame import decision, page, path, problem, told
from ml_pipeline_airflow.models_page.graphs import others
from ml_pipeline_airflow.models_page.health import Health, history
from ml_pipeline_airflow.models_page.monitored import monitored
from ml_pipeline_airflow.models_page.place import Place
from ml_pipeline_airflow.models_page.promotions import log_table
from ml_pipeline_airflow.models_page.runs import newest_of
from ml_pipeline_airflow.models_page.use_cases import MODES
from ml_pipeline_airflow.models_page.visitor import Visitor, link

MODELS, ENTRIES, RUNS, WATCHED = 10, 20, 10, 30
"""Models, promotions, runs and runs of monitoring that are shown, the newest of each."""


def show(visitor: Visitor, name: str) -> HTMLResponse:
    """The page; a part that cannot be shown says why in its place.

    Raises:
        StoreError: the store is away, so that there is nothing to show but that.
    """
    place = Place.of(name)
    log = place.registry.log.newest(ENTRIES)
    watched: list[Health] = history(place.registry.store, name, WATCHED)
    sections = {
        "Performance and drift": told(lambda: monitored(name, watched)),
        "Models": told(lambda: _models(place, log)),
        "Promotions": told(lambda: _log(place, log)),
        "Runs": told(lambda: _runs(name)),
        "Graphs": others(name),
        **_decisions(visitor, place, log),
    }
    return page(name, _header(place, log, watched), sections)


def _header(place: Place, log: Sequence[Promotion], watched: Sequence[Health]) -> list[Markup]:
    question = told(lambda: tag("h1", place.use_case().config.question))
    if not question.startswith("<h1"):
        question = join([tag("h1", place.name), question])
    health = (
        [tag("p", "Health: ", words.state(watched[0].severity), ", ", words.age(watched[0].as_of))] if watched else []
    )
    return [path(here=place.name), question, _champion(place, log), *health]


def _champion(place: Place, log: Sequence[Promotion]) -> Markup:
    if not log:
        return tag("p", "No model is champion yet: nothing was promoted.")
    last = log[0]
    ages = [", from data of ", words.age(last.as_of), ", champion since ", words.age(last.at)]
    return tag("p", "Champion: ", link(last.to, place.name, "models", last.to), *ages)


def _models(place: Place, log: Sequence[Promotion]) -> Markup:
    """The newest by as-of, candidates and champions, each with its verdict."""
    champion = log[0].to if log else ""
    near = dt.datetime.fromisoformat(log[0].as_of) if log else dt.datetime.now(dt.UTC)
    newest = [version for _, version in place.registry.newest(MODELS, near)]
    found = [_found(place, version, version == champion) for version in newest]
    if not found:
        return tag("p", "No model was trained yet.")
    names = list(dict.fromkeys(name for own in found for name in list(own["metrics"])[:2]))
    rows = [_model(place.name, own, names) for own in found]
    columns = ("Model", "", "Data of", "Rows", *(meaning(name).name for name in names), "Verdict")
    listed = table(f"The newest {len(rows)} models, by the moment of their data", columns, rows)
    return join([listed, comparison_form(place.name, "champion", found[0]["version"])])


def _found(place: Place, version: str, champion: bool) -> dict[str, Any]:
    """What is known of a model at a glance; of one that cannot be read, why."""
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


def _log(place: Place, log: Sequence[Promotion]) -> Markup:
    if not log:
        return tag("p", "Nothing was promoted yet.")
    return log_table(place.name, log, f"The newest {len(log)} entries of the promotion log")


def _runs(name: str) -> Markup:
    found = newest_of(name, MODES, RUNS)
    if not found:
        return tag("p", "None of its DAGs has run in this Airflow yet.")
    rows = [Row(run.run_id, words.run_cells(run, name)) for run in found]
    return table(f"The newest {len(rows)} runs of its DAGs", ("Run", "DAG", "State", "Due", "Took"), rows)


def _decisions(visitor: Visitor, place: Place, log: Sequence[Promotion]) -> dict[str, Markup]:
    """What this visitor may decide here; no section where that is nothing."""
    forms = []
    if log and log[0].previous and visitor.may_promote(place.name):
        told = (
            "Makes the champion before the present one champion again, once it has proved that it predicts as it did."
        )
        forms.append(decision(visitor, "Roll back", (place.name, "rollback"), {}, told))
    if visitor.may_retrain(place.name):
        told = "Starts a run of the training DAG as of now; what it trains becomes champion by the same gate as ever."
        forms.append(decision(visitor, "Retrain", (place.name, "retrain"), {}, told))
    return {"Decide": tag("div", *forms, class_="decisions")} if forms else {}
