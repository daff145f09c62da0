"""The frame of a page: one HTML file that needs nothing else, no script, no font, no image from outside."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from ml_pipeline.report.markup import Markup, join, tag

# Whatever a use case may call its columns, a browser neither runs nor fetches anything.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def document(title: str, header: Markup, sections: Mapping[str, Markup], more_style: str = "") -> str:
    """The page; the same parts give the same text. Sections come under their titles, which a list at the top links."""
    body = tag("body", header, _contents(sections), tag("main", *map(_section, sections, sections.values())))
    return f"<!DOCTYPE html>\n{tag('html', _head(title, more_style), body, lang='en')}\n"


def _head(title: str, more_style: str) -> Markup:
    style = style_of("plot.css", "report.css") + more_style
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Markup(style)),
    )


def _contents(sections: Mapping[str, Markup]) -> Markup:
    links = (tag("a", title, href=f"#{_name(title)}") for title in sections)
    return tag("nav", join(join([link, " "]) for link in links), aria_label="Sections")


def _section(title: str, content: Markup) -> Markup:
    name = _name(title)
    return tag("section", tag("h2", title, id=name), content, aria_labelledby=name)


def _name(title: str) -> str:
    return title.lower().replace(" ", "-")


def style_of(*names: str) -> str:
    """Style sheets of this package; plot.css is enough for a plot by itself."""
    return "".join(files("ml_pipeline.report").joinpath(name).read_text("utf-8") for name in names)
