"""The page of a monitoring run says first whether to worry, and then what the days were like."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ml_pipeline.monitoring.drift import ColumnDrift, Drift
from ml_pipeline.monitoring.effects import Effect
from ml_pipeline.monitoring.severity import Finding, Severity
from ml_pipeline.monitoring.visit import COMBINED, Visit
from ml_pipeline.report.document import POLICY
from ml_pipeline.report.markup import VOID
from ml_pipeline.report.watch import Watched, render
from tests.report.samples import CONFIG

METRIC = {"value": 0.74, "low": 0.7, "high": 0.78}
NONE = math.nan


def day(number: int, state: str = "mature", value: float = 0.7, **changed: Any) -> dict[str, Any]:
    """A line of the dataset."""
    known = {"mature": 100, "immature": 60, "not enough data": 3}[state]
    measured = {"roc_auc": value, "roc_auc_low": value - 0.05, "roc_auc_high": value + 0.05}
    line = {"day": dt.date(2024, 2, number), "model_version": "m1", "state": state, "predicted": 100, "known": known}
    means = {"mean_prediction": 0.3, "mean_label": NONE if state == "not enough data" else 0.25}
    return {**line, **means, **(measured if state != "not enough data" else dict.fromkeys(measured, NONE)), **changed}


def watched(days: list[dict[str, Any]], *found: Finding, **changed: Any) -> Watched:
    now = {"m1": {"rows": 200, "predicts": "probability", "metrics": {"roc_auc": METRIC}, "slices": {}}}
    facts = {"now": now, "then": {"m1": {"metrics": {"roc_auc": METRIC}}}, "decides": "roc_auc", **changed}
    return Watched(CONFIG, "2024-02-05T04:00:00+00:00", found, days, **facts)


def moment(day: int) -> dt.datetime:
    return dt.datetime(2024, 2, day, 4, tzinfo=dt.UTC)


def parsed(page: str) -> ET.Element:
    """As XML, which forgives nothing."""
    return ET.fromstring(re.sub(rf"<({'|'.join(VOID)})([^>]*)>", r"<\1\2/>", page))


def text(page: str) -> str:
    return " ".join(" ".join(parsed(page).itertext()).split())


@pytest.mark.parametrize(
    ("severity", "says"),
    [
        ("ok", "Nothing to do."),
        ("watch", "Keep an eye on it."),
        ("act", "✗ Act."),
        ("not enough data", "Too early to tell."),
    ],
)
def test_the_most_urgent_finding_is_the_headline(severity: Severity, says: str) -> None:
    page = text(render(watched([day(1)], Finding("ok", "All is well."), Finding(severity, "So it is."))))
    assert says in page
    assert f"{severity}: So it is." in page
    assert page.index("So it is.") < page.index("All is well.") or severity == "ok"


def test_every_section_is_there_and_linked() -> None:
    page = render(watched([day(1), day(2)]))
    titles = re.findall(r'<h2 id="([^"]*)">', page)
    assert titles == ["day-by-day", "models", "data", "drift", "numbers"]
    assert re.findall(r'href="#([^"]*)"', page) == titles
    assert POLICY in page.replace("&#x27;", "'")
    assert "<script" not in page


def test_a_day_without_enough_truth_is_counted_and_not_drawn() -> None:
    page = render(watched([day(1), day(2, "immature"), day(3, "not enough data")]))
    plots = [picture for picture in parsed(page).iter("svg") if picture.get("class") == "plot"]
    titles = [picture.findtext("title") for picture in plots]
    assert titles == ["Area under the ROC curve by day", "Mean by day", "Predictions by day"]
    marks = [mark.get("class") for mark in plots[0].iter() if str(mark.get("class")).startswith("mark ")]
    assert marks == ["mark candidate", "mark champion"]
    assert "nan" not in page.lower().replace("finance", "")
    assert "Of 300 predictions the truth of 54.3\xa0% is known." in page


def test_no_day_can_be_judged() -> None:
    page = text(render(watched([day(1, "not enough data")], now={"m1": {}}, then={})))
    assert "No day has enough truth yet to be judged." in page
    assert "not enough of its predictions have come true or not" in page


def test_nothing_was_predicted_by_a_model_that_is_stored() -> None:
    assert "Nothing was predicted by a model that is still stored." in text(render(watched([], now={}, then={})))


def test_made_up_records_are_called_so() -> None:
    assert "SYNTHETIC DATA. The records of trials are made up." in text(render(watched([day(1)], synthetic=["trials"])))


def test_whatever_a_model_is_called_is_text() -> None:
    page = render(watched([day(1, model_version="<b>m</b>")], Finding("watch", "<script>alert(1)</script>")))
    assert "&lt;script&gt;" in page
    assert "<b>m</b>" not in page


def test_the_newest_days_come_first() -> None:
    page = render(watched([day(1), day(3), day(2)]))
    assert re.findall(r'<th scope="row">(2024-[^<]*)</th>', page) == ["2024-02-03", "2024-02-02", "2024-02-01"]


def test_what_the_scoring_runs_saw_stands_in_a_table() -> None:
    matched = {(COMBINED, "rows"): 900.0, ("home_town", "unmatched"): 0.25}
    seen = [Visit(moment(1), matched, {"prepare": (3, 950)}), Visit(moment(2), {(COMBINED, "rows"): 7.0})]
    page = text(render(watched([day(1)], visits=seen)))
    assert "No match in home town" in page
    assert page.index("2024-02-02 04:00 7 0 –") < page.index("2024-02-01 04:00 900 3 25.0")


def test_every_source_stands_beside_what_is_usual_of_it() -> None:
    def visit(day: int, age: float) -> Visit:
        return Visit(moment(day), {(COMBINED, "rows"): 9.0, ("home_town", "age_hours"): age, ("roads", "rows"): 4.0})

    page = render(watched([day(1)], visits=[*(visit(day, 1.0) for day in range(1, 7)), visit(7, 72.0)]))
    said = text(page)
    assert "Sources in the scoring run as of 2024-02-07 04:00, and what is usual" in said
    assert "Age of the newest record Rows home town 3.0 d usually 1.0 h – roads – 4 usually 4" in said
    assert "<strong>3.0 d</strong>" in page
    assert "<strong>4</strong>" not in page


def test_what_drifted_stands_in_a_table_each() -> None:
    effects = {"psi": Effect("psi", 0.3, 0.0, 0.0)}
    drifts = {
        COMBINED: Drift("not enough data", "It takes 23 of them.", []),
        "predictions": Drift("act", "", [ColumnDrift("prediction", "act", "", effects)]),
    }
    page = text(render(watched([day(1)], drifts=drifts)))
    assert "What was scored last beside the training rows: It takes 23 of them." in page
    assert "What was predicted last beside the predictions of the test rows; effects beyond chance" in page
    assert "prediction act 0.300" in page
    assert "There is no champion yet" in text(render(watched([day(1)])))
