"""The frame of every page: where one is, what is shown, and a sentence where something cannot be."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import TypeVar

from fastapi.responses import HTMLResponse
from sqlalchemy.exc import SQLAlchemyError

from ml_pipeline.errors import FAULTS, PipelineError
from ml_pipeline.report.document import POLICY, document
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline_airflow.models_page.address import page_url
from ml_pipeline_airflow.models_page.visitor import Visitor, link

HEADERS = {
    "content-security-policy": f"{POLICY}; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
"""Nothing on a page runs or comes from elsewhere, and nobody else frames it or is sent its forms."""
T = TypeVar("T")
log = logging.getLogger(__name__)


def page(title: str, header: Sequence[str], sections: Mapping[str, Markup], status: int = 200) -> HTMLResponse:
    """A whole page; `header` stands above its sections."""
    style = files(__package__).joinpath("page.css").read_text("utf-8")
    text = document(f"{title} · Models", tag("header", *header), sections, style)
    return HTMLResponse(text, status, HEADERS)


def path(*steps: tuple[str, ...], here: str) -> Markup:
    """The way from the list of use cases to this page: each step is a text and the parts of its address."""
    links = [link("Models"), *(link(text, *parts) for text, *parts in steps)]
    items = [*(tag("li", each) for each in links), tag("li", here, aria_current="page")]
    return tag("nav", tag("ol", *items), aria_label="Breadcrumb", class_="path")


def told(make: Callable[[], Markup]) -> Markup:
    """A part of a page, or why it cannot be shown; the other parts are shown all the same."""
    try:
        return make()
    except PipelineError as error:
        return problem(str(error))
    except (*FAULTS, SQLAlchemyError) as error:
        log.exception("a part of the page Models could not be made")
        return problem(f"This cannot be shown: {type(error).__name__}: {error}")


def listed(read: Callable[[], list[T]], problems: list[Markup]) -> list[T]:
    """What is read; where that cannot be, nothing, and a problem that says why."""
    try:
        return read()
    except PipelineError as error:
        problems.append(problem(str(error)))
        return []


def problem(sentence: str) -> Markup:
    """Why something is not shown; errors begin with a small letter, as their kind stands before them in logs."""
    return tag("div", tag("p", sentence[:1].upper() + sentence[1:]), class_="verdict failed", role="note")


def failure(sentence: str, status: int) -> HTMLResponse:
    """A page that has nothing to show but why."""
    return page("Not shown", [path(here="Not shown"), tag("h1", "This cannot be shown"), problem(sentence)], {}, status)


def decision(visitor: Visitor, label: str, parts: Sequence[str], hidden: Mapping[str, str], told: str) -> Markup:
    """A form that asks for a reason. It carries the proof that this page showed it."""
    name = f"reason-{'-'.join(parts)}-{'-'.join(hidden.values())}"
    fields = {"token": visitor.form_token(), **hidden}
    return tag(
        "form",
        tag("p", told, class_="small"),
        tag("label", "Reason", for_=name),
        tag("textarea", id=name, name="reason", rows=2, maxlength=1000, required=""),
        join(tag("input", type="hidden", name=key, value=value) for key, value in fields.items()),
        tag("button", label, type="submit"),
        method="post",
        action=page_url(*parts),
    )
