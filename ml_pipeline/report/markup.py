"""Elements of HTML and SVG. Plain text is escaped where it enters one, so that nothing can be forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID = ("br", "img", "input", "link", "meta")
"""Elements of HTML that have no end."""


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *content: str, **attributes: str | float) -> Markup:
    """An element. An underscore in an attribute's name is a hyphen, one at its end keeps it from being a keyword.

    >>> tag("p", "a < b ", tag("b", "so"), class_="note", data_x=1)
    '<p class="note" data-x="1">a &lt; b <b>so</b></p>'
    """
    inside = "".join(f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{inside}>" if name in VOID else f"<{name}{inside}>{join(content)}</{name}>")


def join(parts: Iterable[str]) -> Markup:
    """One after the other, plain text escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def _attribute(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.6g}"
