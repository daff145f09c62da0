"""Where the page is. Imported wherever Airflow loads plugins and wherever tasks run, so it imports next to nothing."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from airflow.configuration import conf

PREFIX, NAVIGATION = "/ml-pipeline", "models"
"""Path at which the page is mounted in the API server, and the name by which the navigation shows it in a frame."""


def page_url(*parts: str) -> str:
    """The path of a page on the API server, below whatever path Airflow itself is served at."""
    return f"{_outer()}{PREFIX}/" + "/".join(quote(part, safe="") for part in parts)


def framed_url(*parts: str) -> str:
    """The same page within Airflow's UI."""
    return f"{_outer()}/plugin/{NAVIGATION}{page_url(*parts)}"


def _outer() -> str:
    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
