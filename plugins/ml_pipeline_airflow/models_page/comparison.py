"""Two models side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.responses import HTMLResponse

from ml_pipeline.lineage.cause import Cause
from ml_pipeline.lineage.difference import Difference, Side, difference
from ml_pipeline.lineage.effect import Moved
from ml_pipeline.lineage.names import resolve
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, decimal, interval, measured, number
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import meaning, moment
from ml_pipeline_airflow.models_page.address import page_url
from ml_pipeline_airflow.models_page.frame import page, path
from ml_pipeline_airflow.models_page.place import Place
from ml_pipeline_airflow.models_page.visitor import link


def show(name: str, old: str, new: str) -> HTMLResponse:
    """Why two models differ, and what became of coefficients and metrics.

    Raises:
        NotFoundError: one of them is not there.
    """
    registry = Place.of(name).registry
    own = difference(registry, resolve(registry, old), resolve(registry, new))
    sections = {
        "Why they differ": _causes(own),
        "Metrics": _metrics(own),
        "Coefficients": _coefficients(own.coefficients),
        "Compare": comparison_form(name, own.old.version, own.new.version),
    }
    header = [path((name, name), here="Two models"), tag("h1", "Two models side by side")]
    sides = tag("dl", *_side(name, "Old", own.old), *_side(name, "New", own.new))
    return page(f"{name} {own.old.version} {own.new.version}", [*header, sides], sections)


def comparison_form(use_case: str, old: str, new: str) -> Markup:
    """Asks which two; a version, the first characters of one, `champion` or `candidate`."""
    fields = [part for key, value in (("old", old), ("new", new)) for part in _field(key, value)]
    told = tag("p", "A version, its first characters, champion or candidate.", class_="small")
    send = tag("button", "Compare", type="submit")
    return tag("form", told, *fields, send, method="get", action=page_url(use_case, "compare"))


def _field(key: str, value: str) -> Iterable[Markup]:
    yield tag("label", f"{key.capitalize()} model", for_=f"compare-{key}")
    yield tag("input", id=f"compare-{key}", name=key, value=value, required="", autocomplete="off")


def _side(use_case: str, word: str, side: Side) -> Iterable[Markup]:
    made_up = f", synthetic data of {', '.join(side.synthetic)}" if side.synthetic else ""
    version = link(side.version, use_case, "models", side.version)
    yield tag("dt", word)
    yield tag("dd", version, f", data of {moment(side.as_of)}, {side.rows:,} rows{made_up}")


def _causes(own: Difference) -> Markup:
    if not own.causes:
        return tag("p", "By nothing: they are the same model.")
    places = {each.digest: f"{each.source}, as of {moment(each.as_of)}" for each in own.snapshots}
    rows = [Row(each.kind, _cause(each, places)) for each in own.causes]
    return table("Causes", ("What", "Name", "Change", "Old", "New"), rows)


def _cause(own: Cause, places: Mapping[str, str]) -> list[Markup]:
    if own.kind == "snapshot":
        return [_words(places.get(own.name, f"{own.name[:16]}, no longer stored")), _words(own.change), *[Markup()] * 2]
    return [_words(value) for value in (own.name, own.change, own.old, own.new)]


def _words(value: Any) -> Markup:
    return tag("span", "" if value is None else str(value), class_="words")


def _metrics(own: Difference) -> Markup:
    if not own.metrics:
        return tag("p", "Neither was evaluated.")
    rows = "on the same test rows" if own.same_test_rows else "each on test rows of its own"
    lines = [Row(meaning(each.name).name, [_metric(each.old), _metric(each.new)]) for each in own.metrics]
    return table(f"Metrics, {rows}", ("Metric", "Old", "New"), lines)


def _metric(own: Any) -> Markup:
    return join([measured(own), tag("small", interval(own))]) if own else join([NONE])


def _coefficients(found: list[Moved]) -> Markup:
    if not found:
        return tag("p", "No coefficient moved.")
    rows = [Row(own.name, [number(own.old), number(own.new), _move(own)]) for own in found]
    return table(f"The {len(rows)} coefficients that moved most", ("Coefficient", "Old", "New", "Moved by"), rows)


def _move(own: Moved) -> str:
    return f"{decimal(own.move, 2, sign=True)}{' standard errors' if own.standard_error else ''}"
