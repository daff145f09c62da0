"""Pages that runs left in the store, as they are."""

from __future__ import annotations

from fastapi.responses import HTMLResponse

from ml_pipeline.artifacts.registry import REPORT
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import IntegrityError, NotFoundError
from ml_pipeline.handlers.monitoring_summary import FOLDER
from ml_pipeline.report.document import POLICY
from ml_pipeline_airflow.models_page.frame import HEADERS
from ml_pipeline_airflow.models_page.place import Place

UNTRUSTED = {
    **HEADERS,
    "content-security-policy": f"{POLICY}; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox",
}
"""Whoever may write to the store wrote the page, so it sends nothing, and leads nobody elsewhere by itself."""


def model_report(name: str, called: str) -> HTMLResponse:
    """The page that evaluation left of a model.

    Raises:
        NotFoundError: there is no such model, or it has no report.
        IntegrityError: it cannot be read.
    """
    place = Place.of(name)
    version, registry = place.version(called), place.registry
    return _page(registry.store, registry.key(version, REPORT), f"model {version} has no report: was it evaluated?")


def monitoring_report(name: str, as_of: str) -> HTMLResponse:
    """The page that monitoring left as of a moment.

    Raises:
        NotFoundError: there is none.
        IntegrityError: it cannot be read.
    """
    return _page(Place.of(name).registry.store, f"{FOLDER}{as_of}/{REPORT}", f"nothing was monitored as of {as_of}")


def _page(room: Store, key: str, absent: str) -> HTMLResponse:
    try:
        text = room.get(key).decode("utf-8")
    except NotFoundError as error:
        raise NotFoundError(absent, given=room.address(key)) from error
    except UnicodeDecodeError as error:
        raise _unreadable(room, key) from error
    if not text.startswith("<!DOCTYPE html>"):
        raise _unreadable(room, key)
    return HTMLResponse(text, headers=UNTRUSTED)


def _unreadable(room: Store, key: str) -> IntegrityError:
    return IntegrityError(
        "the stored page cannot be read",
        given=room.address(key),
        expected="HTML as evaluation or monitoring writes it",
        do="evaluate or monitor again, which writes it anew",
    )
