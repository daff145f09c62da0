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
from ml_pipeline.config_rules import METRICS
from ml_pipeline.data.profile import Profile
from ml_pipeline.models.evaluation import JUDGES, Rules, Scored
from ml_pipeline.models.metric import better
from ml_pipeline.report.confusion_table import confusion_table
from ml_pipeline.report.facts import Facts
from ml_pipeline.report.markup import VOID
from ml_pipeline.report.page import render
from ml_pipeline.report.words import meaning, spaced, typical
from ml_pipeline.templates import Predicts
from tests.report.reader import Reader
from tests.report.samples import CONFIG, HOSTILE, MODEL, PARAMETERS, ROWS, facts, facts_of, labels, measured, stored

PICTURES: dict[Predicts, list[str]] = {
    "probability": ["ROC curve", "Precision-recall curve", "Calibration", "Scores by label"],
    "number": ["Calibration", "Errors"],
    "count": ["Calibration", "Errors"],
    "class": ["Calibration"],
}
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
        columns = Profile.of({f"column_{at}": p for at in range(200)}).described()
        page = render(facts(metrics=found, profile=columns))
        assert "5,880 stronger slices left out" in Reader(page).text
        assert len(page.encode()) < 400_000


@pytest.mark.parametrize("predicts", ["probability", "number", "count", "class"])
class TestEveryKind:
    def test_every_section_is_there_and_every_picture_is_well_formed(self, predicts: Predicts) -> None:
        page = render(facts_of(predicts))
        assert re.findall(r"<h2[^>]*>([^<]*)</h2>", page) == TITLES
        titles = [title.text for plot in plots(page) if (title := plot.find("title")) is not None]
        assert titles == PICTURES[predicts]
        for plot in plots(page):
            width, height = map(float, plot.get("viewBox", "").split()[2:])
            for dot in plot.iter("circle"):
                assert 0 <= float(dot.get("cx", "")) <= width
                assert 0 <= float(dot.get("cy", "")) <= height
        assert "nan" not in Reader(page).text.lower().split()

    def test_metrics_have_names_and_say_which_way_is_better(self, predicts: Predicts) -> None:
        text = Reader(render(facts_of(predicts))).text
        for name in METRICS[predicts]:
            assert f"({name}): {meaning(name).tells}; {better(name)} is better" in text
            assert meaning(name).name != spaced(name)
        assert "see the code" not in text

    def test_the_card_tells_what_labels_are_like(self, predicts: Predicts) -> None:
        given = facts_of(predicts)
        known = typical(given.metrics, given.metrics.get("classes", ()))
        assert f"In the test rows late is {known}.".replace("\xa0", " ") in Reader(render(given)).text
        assert {"number": "in the mean", "count": "in the mean", "class": "letter in "}.get(predicts, "1 in ") in known

    def test_slices_are_compared_by_the_metric_that_decides(self, predicts: Predicts) -> None:
        given = facts_of(predicts)
        name = JUDGES[predicts].decides
        text = Reader(render(given)).text
        assert f"{meaning(name).name} by slice, with 95 % intervals" in text
        own = given.metrics["slices"]["depot"]
        first, second = sorted(("north", "south"), key=lambda word: own[word][name]["value"])
        weakest = first if better(name) == "larger" else second
        assert re.search(rf"% interval Rows [A-Za-z ]+ depot {weakest} ", text)

    def test_a_slice_that_is_clearly_worse_is_a_known_limit(self, predicts: Predicts) -> None:
        given = facts_of(predicts)
        name, found = JUDGES[predicts].decides, dict(given.metrics)
        bad = -1e9 if better(name) == "larger" else 1e9
        north = {**found["slices"]["depot"]["north"], name: {"value": bad, "low": bad, "high": bad}}
        found["slices"] = {"depot": {**found["slices"]["depot"], "north": north}}
        verb = "Ranked" if predicts == "probability" else "Predicted"
        page = Reader(render(given._replace(metrics=found))).text
        assert f"{verb} clearly worse than all rows together: depot north." in page

    def test_the_same_page_comes_from_what_was_stored(self, predicts: Predicts) -> None:
        given = facts_of(predicts)
        stored = given._replace(metrics=plain_yaml.load(plain_yaml.dump(dict(given.metrics))))
        assert render(stored) == render(given)


class TestOldFiles:
    def test_metrics_that_do_not_say_what_was_predicted_are_of_probabilities(self) -> None:
        given = facts_of("probability")
        old = {key: value for key, value in given.metrics.items() if key not in ("predicts", "mean_prediction")}
        assert render(given._replace(metrics=old)) == render(given)


class TestAmounts:
    def test_large_ones_are_grouped_and_axes_shortened(self) -> None:
        page = render(facts_of("number"))
        rmse = facts_of("number").metrics["metrics"]["rmse"]["value"]
        assert f"Root mean squared error {rmse:,.1f} (95 % interval" in Reader(page).text
        assert {"10k", "20k", "30k"} <= {text.text for plot in plots(page) for text in plot.iter("text")}
        assert " is 1 in " not in Reader(page).text

    @pytest.mark.parametrize("offset", [0.0, 1e-6, -1e9])
    def test_labels_and_predictions_that_are_all_the_same(self, offset: float) -> None:
        y = np.full(ROWS, offset)
        for p in (y, y + 1.0):
            page = render(facts(metrics=stored(Scored(y, {"candidate": p}, {}, "number"), Rules({}, {}, 20, 0))))
            assert "1 bin of about equally many rows" in Reader(page).text
            assert "R² –" in Reader(page).text


class TestClasses:
    def test_confusion_counts_rows_by_true_and_predicted_class(self) -> None:
        page = confusion_table([[5, 1], [0, 0]], ("a", "b"))
        assert Reader(page).text.endswith("True class a b Rows Told right a 5 1 6 83.3 % b 0 0 0 –")

    def test_of_many_classes_the_most_frequent_are_shown(self) -> None:
        counts = np.diag(np.arange(40, 0, -1)).tolist()
        text = Reader(confusion_table(counts, [f"class{at}" for at in range(40)])).text
        assert "The 28 rarest of 40 classes are left out" in text
        assert "class11 " in text
        assert "class12 " not in text

    def test_coefficients_are_named_by_class_and_column(self) -> None:
        text = Reader(render(facts_of("class"))).text
        assert "letter: weight −0.5000 −0.6960 to −0.3040" in text
        assert "parcel: depot south +0.0625 –" in text
        assert "Bias letter: +0.500, parcel: +0.250, pallet: −0.750." in text


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
        columns = Profile.of({bad: Category.of([bad] * 9), "x": Category.of([bad, "y", "y"])}).described()
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
        assert "outside the floor of at least 0.99" in text
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
        text = read(profile=Profile.of(columns).described()).text
        assert all(f"{name} 100 % " in text for name in columns)
        assert "Numbers, with quantiles" in read(profile=Profile.of({"x": np.zeros(0)}).described()).text
