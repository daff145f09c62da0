from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.report.markup import Markup, join, tag
from tests.report.reader import Reader

TEXT = st.text(st.characters(exclude_categories=["C"], exclude_characters="\xa0"), max_size=30)


@given(TEXT, TEXT)
def test_text_comes_out_as_it_went_in(content: str, value: str) -> None:
    class Parser(HTMLParser):
        found: tuple[object, ...] = ()
        words = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found = (*self.found, tag, dict(attrs))

        def handle_data(self, data: str) -> None:
            self.words += data

    parser = Parser()
    parser.feed(tag("p", content, title=value))
    parser.close()
    assert parser.found == ("p", {"title": value or ""})
    assert parser.words == content


def test_markup_enters_as_it_is_once() -> None:
    inner = tag("b", "a & b")
    assert tag("p", inner) == "<p><b>a &amp; b</b></p>"
    assert join(["<", Markup("<br>")]) == "&lt;<br>"
    assert Reader(tag("p", inner)).text == "a & b"
