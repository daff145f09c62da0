"""All use cases at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from fastapi.responses import HTMLResponse

from ml_pipeline.contract import Mode
from ml_pipeline.discovery import names
from ml_pipeline.report.markup import Markup, join, tag
from ml_pipeline.report.table import Row, table
from ml_pipeline.report.words import some
from ml_pipeline_airflow.builder import NAMES
from ml_pipeline_airflow.models_page import words
from ml_pipeline_airflow.models_page.frame import page, path, told
from ml_pipeline_airflow.models_page.health import history
from ml_pipeline_airflow.models_page.place import Place
from ml_pipeline_airflow.models_page.runs import newest_of
from ml_pipeline_airflow.models_page.visitor import Visitor, link

AT_ONCE, RUNS, SENTENCES, LOOKS = 8, 3, 3, 3
"""Use cases that are looked at together; of each the runs, and sentences of monitoring, that are shown, and the runs of
monitoring among which that is looked for which has ended last."""
MODES: tuple[Mode, ...] = tuple(NAMES)
COLUMNS = ("Use case", "Champion", "Health", "Last runs")


def show(visitor: Visitor) -> HTMLResponse:
    """Those that the visitor may read; of one that is broken why, in its own line."""
    found = rows([name for name in names() if visitor.may_read(name)])
    body = (
        table("Use cases that you may read", COLUMNS, found) if found else tag("p", "There is none that you may read.")
    )
    header = [path(here="Use cases"), tag("h1", "Models"), tag("p", "Who predicts, how well, and since when.")]
    return page("Use cases", header, {"Use cases": body})


def rows(shown: Sequence[str]) -> list[Row]:
    """A line for each use case."""
    with ThreadPoolExecutor(AT_ONCE) as readers:
        return list(readers.map(_row, shown))


def _row(name: str) -> Row:
    place = Place.of(name)
    question = told(lambda: tag("small", place.use_case().config.question))
    cells = [partial(_champion, place), partial(_health, place), partial(_runs, name)]
    return Row(join([link(name, name), question]), [told(cell) for cell in cells])


def _champion(place: Place) -> Markup:
    """Its version, the age of its data and of its promotion."""
    found = place.registry.log.newest(1)
    if not found:
        return tag("span", "none yet", class_="state soft")
    last = found[0]
    ages = tag("small", "data of ", words.age(last.as_of), ", champion since ", words.age(last.at))
    return join([link(last.to, place.name, "models", last.to), ages])


def _health(place: Place) -> Markup:
    """What monitoring found last."""
    found = history(place.registry.store, place.name, LOOKS)
    if not found:
        return tag("span", "… not monitored yet", class_="state soft")
    return join(
        [
            words.state(found[0].severity),
            tag("small", "as of ", words.age(found[0].as_of)),
            *(tag("small", told, class_="words") for told in some(found[0].reasons, SENTENCES)),
        ]
    )


def _runs(name: str) -> Markup:
    found = newest_of(name, MODES, RUNS)
    if not found:
        return tag("span", "none yet", class_="state soft")
    return tag("ul", *(tag("li", words.run(run, name)) for run in found), class_="runs")
