from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from ml_pipeline.report.document import style_of
from ml_pipeline.report.page import render
from ml_pipeline.templates import Predicts
from tests.report.samples import HOSTILE, facts, facts_of

STYLE = style_of("plot.css", "report.css")
LIGHT, DARK, PRINT = (
    dict(re.findall(r"--([a-z-]+): #([0-9a-f]{3,6})", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.S)
)
INKS = [("ink", "paper"), ("soft", "paper"), ("candidate", "paper"), ("champion", "paper"), ("good", "paper"),
        ("bad", "paper"), ("warn-ink", "warn")]  # fmt: skip
KINDS: tuple[Predicts, ...] = ("number", "count", "class")
SWITCHES = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    full = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
    parts = [int(full[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("colours", [LIGHT, DARK, PRINT], ids=["light", "dark", "print"])
def test_text_and_lines_have_the_contrast_that_wcag_asks_for_text(
    colours: dict[str, str], ink: tuple[str, str]
) -> None:
    darker, lighter = sorted(luminance(colours[name]) for name in ink)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_every_class_on_the_page_has_a_style() -> None:
    pages = [render(facts()), *(render(facts_of(predicts)) for predicts in KINDS)]
    used = {name for page in pages for names in re.findall(r'class="([^"]*)"', page) for name in names.split()}
    assert {f".{name}" for name in used} <= set(re.findall(r"\.[a-z]+", STYLE)) | {".tick"}


@pytest.mark.browser
def test_no_width_makes_the_page_scroll_sideways_and_nothing_is_fetched(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium")
    assert browser_path, "a browser is needed: install Debian's chromium"
    given = facts()
    metrics = {**given.metrics, "slices": {HOSTILE * 9: given.metrics["slices"]["depot"]}}
    pages = {"plain": given, "hostile": given._replace(metrics=metrics), **{kind: facts_of(kind) for kind in KINDS}}
    for name, own in pages.items():
        (tmp_path / f"{name}.html").write_text(render(own))
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=SWITCHES)
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: said.append(request.url))
        for name in pages:
            page.goto((tmp_path / f"{name}.html").as_uri())
            for width in (320, 390, 1280):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") == width
        browser.close()
    assert [text for text in said if not text.startswith(("file:", "data:"))] == []
