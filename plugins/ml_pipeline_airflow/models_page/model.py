"""One model: what it is for, how good it is, what it learnt, what it was made from, and what may become of it."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi.responses import HTMLResponse

from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.report import card, coefficients, lineage, verdict
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.metrics_table import metrics_table
from ml_pipeline.report.words import moment
from ml_pipeline_airflow.models_page import words
from ml_pipeline_airflow.models_page.comparison import comparison_form
from ml_pipeline_airflow.models_page.frame import decision, listed, page, path, told
from ml_pipeline_airflow.models_page.known import Known
from ml_pipeline_airflow.models_page.place import Place
from ml_pipeline_airflow.models_page.promotions import log_table
from ml_pipeline_airflow.models_page.visitor import Visitor, link

ENTRIES = 50
"""Newest entries of the promotion log among which those of the model are looked for."""


def show(visitor: Visitor, name: str, called: str) -> HTMLResponse:
    """The page; a part that cannot be shown says why in its place.

    Raises:
        NotFoundError: there is no such model.
    """
    place, problems = Place.of(name), list[Markup]()
    known = Known(place, place.version(called))
    log = listed(lambda: place.registry.log.newest(ENTRIES), problems)
    champion = log[0].to if log else ""
    other = log[0].previous if log and known.version == champion else champion
    sections = {
        "Card": told(lambda: card.section(known.facts())),
        "Metrics": told(lambda: _metrics(known)),
        "Coefficients": told(lambda: coefficients.section(known.parameters)),
        "Lineage": told(lambda: _lineage(place, known)),
        "Promotions": _promotions(place, known.version, log),
        "Compare": comparison_form(name, old=other, new=known.version),
        **_decisions(visitor, place, known.version, log),
    }
    return page(f"{name} {known.version}", [*_header(place, known, champion), *problems], sections)


def _header(place: Place, known: Known, champion: str) -> list[Markup]:
    own = known.model
    role = [", ", words.role(True)] if known.version == champion else []
    made = tag(
        "p", own["model"], ", from data of ", tag("time", moment(own["as_of"])), f", {own['rows']:,} rows", *role
    )
    judged = told(lambda: join([verdict.judgement(known.facts()), verdict.banner(known.facts())]))
    report = tag("p", link("Its report", place.name, "models", known.version, "report"), ": curves, slices and columns")
    title = tag("h1", "Model ", tag("code", known.version))
    return [path((place.name, place.name), here=known.version), title, made, judged, report]


def _metrics(known: Known) -> Markup:
    then = tag("p", "As it was judged when it was trained: the champion of which this tells is that of then.")
    return join([then, metrics_table(known.metrics)])


def _lineage(place: Place, known: Known) -> Markup:
    """What it was made from; the model before it as a link."""
    start = known.model["start"]
    before = tag("p", "It went on from ", link(start, place.name, "models", start), ".") if start else Markup()
    return join([before, lineage.section(known.model, known.graph)])


def _promotions(place: Place, version: str, log: Sequence[Promotion]) -> Markup:
    own = [entry for entry in log if entry.to == version]
    if not own:
        return tag("p", f"It is in none of the newest {len(log)} entries of the promotion log.")
    return log_table(place.name, own, f"Its entries among the newest {len(log)} of the promotion log")


def _decisions(visitor: Visitor, place: Place, version: str, log: Sequence[Promotion]) -> dict[str, Markup]:
    """What this visitor may decide about it; no section where that is nothing."""
    if (log and log[0].to == version) or not visitor.may_promote(place.name):
        return {}
    told = "Makes this model champion, whatever its verdict, once it has proved that it predicts as it did then."
    hidden = {"version": version, "seen": str(log[0].number if log else 0)}
    forms = [decision(visitor, "Promote", (place.name, "promote"), hidden, told)]
    if any(entry.to == version for entry in log):
        told = "It was champion before: this goes back to it."
        forms.append(decision(visitor, "Roll back to it", (place.name, "rollback"), hidden, told))
    return {"Decide": tag("div", *forms, class_="decisions")}
