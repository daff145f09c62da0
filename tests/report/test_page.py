from __future__ import annotations

import base64
import re
from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pytest

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.columns import Category
from ml_pipeline.config import Card, Promotion
from ml_pipeline.data.profile import profile
from ml_pipeline.report.facts import Facts
from ml_pipeline.report.markup import VOID
from ml_pipeline.report.page import render
from tests.report.reader import Reader
from tests.report.samples import CONFIG, HOSTILE, MODEL, PARAMETERS, ROWS, facts, labels, measured

TITLES = ["Card", "Metrics", "Curves", "Slices", "Coefficients", "Data", "Lineage"]


def read(**changed: object) -> Reader:
    return Reader(render(facts(**changed)))


def parsed(page: str) -> ET.Element:
    """As XML, which forgives nothing; elements of HTML that have no end get one."""
    return ET.fromstring(re.sub(rf"<({'|'.join(VOID)})([^>]*)>", r"<\1\2/>", page))


def plots(page: str) -> list[ET.Element]:
    return [picture for picture in parsed(page).iter("svg") if picture.get("class") == "plot"]


def estimator(**changed: object) -> dict[str, object]:
    return {**PARAMETERS, "estimator": {**PARAMETERS["estimator"], **changed}}


class TestWholePage:
    def test_every_section_is_there_in_order_and_linked(self) -> None:
        page = render(facts())
        assert re.findall(r"<h2[^>]*>([^<]*)</h2>", page) == TITLES
        reader = Reader(page)
        assert len(reader.all("h1")) == 1
        names = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
        assert len(set(names)) == len(names)
        assert {link["href"].removeprefix("#") for link in reader.all("a")} <= set(names)

    def test_nothing_comes_from_outside_and_nothing_runs(self) -> None:
        page = render(facts())
        reader = Reader(page)
        assert not {"script", "iframe", "object", "embed", "form"} & {name for name, _ in reader.elements}
        for _, attributes in reader.elements:
            assert not [name for name in attributes if name.startswith("on")]
            for name in {"src", "href", "xlink:href", "action"} & attributes.keys():
                assert attributes[name].startswith(("#", "data:"))
        assert "://" not in page
        assert "url(" not in page
        assert "@import" not in page

    def test_every_picture_is_well_formed_and_says_what_it_shows(self) -> None:
        page = render(facts())
        assert len(plots(page)) == 4
        for plot in plots(page):
            assert plot.get("role") == "img"
            spoken = [each for each in (plot.find("title"), plot.find("desc")) if each is not None and each.text]
            assert plot.get("aria-labelledby", "").split() == [each.get("id") for each in spoken]
        others = [each for each in parsed(page).iter("svg") if each.get("class") not in ("plot", None)]
        assert others
        assert all(each.get("aria-hidden") == "true" for each in others)

    def test_every_mark_lies_on_the_plot(self) -> None:
        for plot in plots(render(facts())):
            width, height = map(float, plot.get("viewBox", "").split()[2:])
            for line in plot.iter("polyline"):
                places = [tuple(map(float, pair.split(","))) for pair in line.get("points", "").split()]
                assert all(0 <= x <= width and 0 <= y <= height for x, y in places)
            for dot in plot.iter("circle"):
                assert 0 <= float(dot.get("cx", "")) <= width
                assert 0 <= float(dot.get("cy", "")) <= height

    def test_tables_have_captions_and_headings_with_scope(self) -> None:
        reader = read()
        tables, captions = reader.all("table"), reader.all("caption")
        assert len(tables) == len(captions) == 6
        assert {heading.get("scope") for heading in reader.all("th")} == {"col", "row", "colgroup"}
        assert all(box["aria-label"] and box["tabindex"] == "0" for box in reader.all("div") if "role" in box)

    def test_the_same_facts_give_the_same_page(self) -> None:
        assert render(facts()) == render(facts())

    def test_facts_may_come_from_the_files_themselves(self) -> None:
        given = facts()
        stored = given._replace(metrics=plain_yaml.load(plain_yaml.dump(dict(given.metrics))))
        assert render(stored) == render(given)

    def test_there_is_a_style_for_the_dark_for_print_and_for_phones(self) -> None:
        page = render(facts())
        assert "prefers-color-scheme: dark" in page
        assert "@media print" in page
        assert 'content="width=device-width, initial-scale=1"' in page

    def test_many_slices_and_columns_do_not_make_it_large(self) -> None:
        y, p = labels()
        found = measured(y, {"candidate": p})
        one = found["slices"]["depot"]["north"]
        found["slices"] = {name: {f"word {at}": one for at in range(2000)} for name in "abc"}
        columns = profile({f"column_{at}": p for at in range(200)})
        page = render(facts(metrics=found, profile=columns))
        assert "5,880 stronger slices left out" in Reader(page).text
        assert len(page.encode()) < 400_000


class TestHostileNames:
    @pytest.fixture
    def page(self) -> str:
        y, p = labels()
        bad = HOSTILE
        config = msgspec.structs.replace(
            CONFIG, name=bad, question=bad, card=Card(intended_use=bad, label=bad, limits=[bad])
        )
        parameters = {
            "estimator": {"coefficients": {bad: {bad: 1.0}, "b": 0.5}, "fit": {"note": bad, "rows": 1, "iterations": 1}}
        }
        found = measured(y, {"candidate": p, "champion": p}, (bad, bad + "2", bad + "3"))
        found["verdict"]["reasons"].append(bad)
        model = {
            **MODEL,
            "version": bad,
            "model": bad,
            "snapshots": [bad],
            "synthetic": [bad],
            "system": {"images": {bad: bad}},
        }
        columns = profile({bad: Category.of([bad] * 9), "x": Category.of([bad, "y", "y"])})
        given = Facts(model, {**found, "champion": bad}, parameters, columns, config, f"<svg>{bad}</svg>")
        return render(given)

    def test_they_are_shown_as_text(self, page: str) -> None:
        reader = Reader(page)
        assert reader.all("script") == []
        assert "<script" not in page
        assert reader.text.count(HOSTILE) >= 15
        assert len(plots(page)) == 4

    def test_the_graph_stays_an_image(self, page: str) -> None:
        (image,) = Reader(page).all("img")
        kind, content = image["src"].split(",")
        assert kind == "data:image/svg+xml;base64"
        assert base64.b64decode(content).decode() == f"<svg>{HOSTILE}</svg>"


class TestTop:
    def test_a_verdict_has_a_sentence_and_its_reasons(self) -> None:
        found = facts().metrics
        text = read().text
        assert "✗ Not passed." in text
        assert all(" ".join(reason.split()) in text for reason in found["verdict"]["reasons"])
        assert (
            "✓ Passed. It may become champion."
            in read(metrics={**found, "verdict": {"passed": True, "reasons": []}}).text
        )

    def test_a_person_decides_where_the_policy_says_so(self) -> None:
        config = msgspec.structs.replace(CONFIG, promotion=Promotion(policy="manual"))
        metrics = {**facts().metrics, "verdict": {"passed": True, "reasons": []}}
        assert "A person decides" in read(metrics=metrics, config=config).text

    def test_made_up_records_are_called_so(self) -> None:
        assert "SYNTHETIC DATA" not in read().text
        for text in (
            read(model={**MODEL, "synthetic": ["parcels"]}).text,
            read(metrics={**facts().metrics, "synthetic": ["parcels"]}).text,
        ):
            assert "SYNTHETIC DATA. The records of parcels are made up" in text


class TestCard:
    def test_it_says_what_people_wrote(self) -> None:
        text = read().text
        assert all(word in text for word in ("Planning.", "Two days or more.", "Not for letters."))
        assert "5,000 rows trained it, 900 rows judged it" in text
        assert "2024-01-01 to 2024-02-01" in text

    def test_what_nobody_wrote_is_missed(self) -> None:
        assert "Intended use Not stated" in read(config=msgspec.structs.replace(CONFIG, card=Card())).text

    def test_limits_that_were_measured_stand_there_too(self) -> None:
        note = "Newton's method did not converge."
        text = read(parameters=estimator(fit={"rows": 1, "iterations": 50, "note": note})).text
        assert note in text
        assert "depot north: Area under the ROC curve" in text
        assert "outside the floor of 0.99" in text
        assert "1 slice could not be judged" in text


class TestLessThanAll:
    """Whatever is not known leaves a sentence."""

    def test_no_champion(self) -> None:
        y, p = labels()
        reader = read(metrics=measured(y, {"candidate": p}))
        assert "There is no other champion to compare with" in reader.text
        assert "mark champion" not in render(facts(metrics=measured(y, {"candidate": p})))

    @pytest.mark.parametrize("label", [0.0, 1.0])
    def test_test_rows_of_one_class(self, label: float) -> None:
        _, p = labels()
        reader = read(metrics=measured(np.full(ROWS, label), {"candidate": p, "champion": p}))
        assert "All test rows are of one class" in reader.text
        assert "all rows of one class" in reader.text
        assert "nan" not in reader.text.lower().split()

    def test_no_curves(self) -> None:
        metrics = {key: value for key, value in facts().metrics.items() if key != "curves"}
        assert "No curves were stored" in read(metrics=metrics).text

    def test_predictions_that_are_all_zero_or_all_one(self) -> None:
        for p in (np.zeros(ROWS), np.ones(ROWS)):
            assert "Calibration" in read(metrics=measured(labels()[0], {"candidate": p})).text

    def test_no_slices(self) -> None:
        assert "No slices were asked for" in read(metrics={**facts().metrics, "slices": {}}).text
        assert "No slices were asked for" in read(metrics={**facts().metrics, "slices": {"depot": {}}}).text

    def test_no_standard_errors(self) -> None:
        own = {key: value for key, value in PARAMETERS["estimator"].items() if key != "standard_errors"}
        assert "No standard errors were stored" in read(parameters={"estimator": own}).text

    def test_no_coefficients(self) -> None:
        assert "no coefficients to show" in read(parameters={}).text
        assert "no coefficients to show" in read(parameters={"estimator": {"medians": [1.0]}}).text

    def test_no_profile_no_graph_no_evaluation(self) -> None:
        text = read(profile={}, graph="", metrics={}).text
        assert "No profile was stored" in text
        assert "has not been evaluated" in text

    def test_nothing_at_all(self) -> None:
        assert "parcels" in Reader(render(Facts({}, {}, {}, {}, CONFIG))).text

    def test_columns_of_which_nothing_is_known(self) -> None:
        columns = {
            "x": np.full(3, np.nan),
            "c": Category.of([None] * 3),
            "t": np.full(3, np.datetime64("NaT"), "datetime64[us]"),
        }
        text = read(profile=profile(columns)).text
        assert all(f"{name} 100 % " in text for name in columns)
        assert "Numbers, with quantiles" in read(profile=profile({"x": np.zeros(0)})).text
