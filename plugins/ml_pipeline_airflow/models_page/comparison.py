"""Two models side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fastapi.responses import HTMLResponse

from ml_pipeline.lineage.cause import Cause
from ml_pipeline.lineage.difference import Difference, Side, difference
from ml_pipeline.lineage.effect import Moved
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.numbers import NONE, decimal, interval, measured, number, plural
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
    place = Place.of(name)
    own = difference(place.registry, place.version(old), place.version(new))
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
    others = [Row(each.kind, _cause(each)) for each in own.causes if each.kind != "snapshot"]
    return table("Causes", ("What", "Name", "Change", "Old", "New"), [*others, *_snapshots(own)])


def _cause(own: Cause) -> list[Markup]:
    return [_words(value) for value in (own.name, own.change, own.old, own.new)]


def _snapshots(own: Difference) -> Iterator[Row]:
    """A line for those of a source that were added, and one for those that were removed: of a month there are many."""
    places = {each.digest: each for each in own.snapshots}
    found: dict[tuple[str, str], list[str]] = {}
    for cause in own.causes:
        if cause.kind == "snapshot":
            place = places.get(cause.name)
            key = place.source if place else "no longer stored", cause.change
            found.setdefault(key, []).append(place.as_of if place else "")
    for (source, change), moments in sorted(found.items()):
        name = join([source, tag("small", _span(moments))]) if moments[0] else _words(source)
        yield Row(plural(len(moments), "snapshot"), [name, _words(change), *[Markup()] * 2])


def _span(moments: Sequence[str]) -> str:
    first, last = moment(min(moments)), moment(max(moments))
    return f"as of {first}" if first == last else f"as of {first} to {last}"


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
