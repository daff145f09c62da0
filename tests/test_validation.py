"""`ml-pipeline validate`: what is wrong with a use case, found before it runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from ml_pipeline import validation
from ml_pipeline.errors import UsageError

if TYPE_CHECKING:
    from tests.conftest import Parcels

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """No further checks but those that a test gives."""
    monkeypatch.setattr(validation, "entry_points", lambda group: [])


def _checks(parcels: Parcels, command: Command, code: int) -> dict[str, dict[str, object]]:
    result = command("validate", "parcels", "--store", parcels.store, "--json")
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return {check["what"]: check for check in json.loads(result.stdout)}


def test_of_a_use_case_without_a_fault_everything_is_looked_at(parcels: Parcels, command: Command) -> None:
    found = _checks(parcels, command, 0)
    assert {check["ok"] for check in found.values()} == {True}
    assert list(found) == [
        "pipeline.yaml", "object store", "code", "source parcels", "preparation of parcels", "source traffic",
        "preparation of traffic", "source customers", "preparation of customers", "preparation of late_by_depot",
        "offline chain", "online chain",
    ]  # fmt: skip
    shown = command("validate", "parcels", "--store", parcels.store)
    assert shown.output.splitlines()[-1] == "nothing to mend"


def test_the_postprocessing_may_say_why_where_the_model_explains_itself(parcels: Parcels, command: Command) -> None:
    parcels.replace("models.py", '"rank", "band"', '"rank", "band", "speaks_for"')
    assert "'speaks_for'" in str(_checks(parcels, command, 2)["online chain"]["says"])
    parcels.replace("pipeline.yaml", "horizon: 1h", "horizon: 1h\nexplain: 3")
    assert _checks(parcels, command, 0)["online chain"]["ok"] is True


FAULTS = {
    "a key that is none": ("pipeline.yaml", "horizon: 1h", "horizont: 1h", "pipeline.yaml", "'horizont' is not a key"),
    "a name that is not there": ("pipeline.yaml", "models.LateModel", "models.Late", "code", "cannot be loaded"),
    "a model that is none": ("pipeline.yaml", "models.LateModel", "models.PrepareTraffic", "code", "no Chain"),
    "a module that is not installed": ("models.py", "import numpy as np", "import numpyy as np", "code", "numpyy"),
    "a column the file lacks": ("sources.py", '"weight": ', '"height": ', "source parcels", "lacks the column"),
    "a file that is not there": ("sources.py", "traffic.csv", "trafic.csv", "source traffic", "trafic.csv"),
    "a column no link gives": (
        "models.py", "def late(delay: Floats)", "def late(lateness: Floats)", "preparation of parcels",
        "link 'late' needs the column 'lateness'",
    ),
    "a column the join needs": (
        "models.py", 'keep("depot", "measured_at", "speed")', 'keep("depot", "speed")', "offline chain",
        "traffic is joined on 'measured_at', which its preparation does not keep",
    ),
    "a column the model needs": (
        "models.py", 'keep("customer", "tier", "floor")', 'keep("customer", "tier")', "offline chain", "'floor'",
    ),
    "a column the postprocessing needs": ("models.py", '"rank", "band"', '"rank", "bund"', "online chain", "'bund'"),
    "a truth that is no column": ("pipeline.yaml", "truth: [delay]", "truth: [dely]", "source parcels", "'dely'"),
    "a moment of knowing that is no column": (
        "pipeline.yaml", "known: delivered", "known: delivred", "source parcels", "no column 'delivred'",
    ),
    "a moment of knowing that is none": (
        "pipeline.yaml", "known: delivered", "known: weight", "source parcels", "'weight', which pipeline.yaml calls",
    ),
    "a time that is no column": ("pipeline.yaml", "time: pickup", "time: picked", "source parcels", "column 'picked'"),
    "a key that is no column": ("pipeline.yaml", "key: parcel_id", "key: id", "preparation of parcels", "column 'id'"),
    "a key that is no text": ("pipeline.yaml", "key: parcel_id", "key: weight", "preparation of parcels", "is no text"),
    "a label that is no column": (
        "pipeline.yaml", "label: late", "label: tardy", "preparation of parcels", "no column 'tardy'",
    ),
    "a truth that is kept": (
        "models.py", '"delivered", "late"))', '"delivered", "delay", "late"))', "preparation of parcels",
        "lets the model see the truth: delay is truth, or follows from it",
    ),
    "a column that follows from the truth": (
        "models.py", "class PrepareParcels",
        "def weight(weight, delay):\n    return weight + delay\n\n\nweighed = weight\n\n\nclass PrepareParcels",
        "preparation of parcels", "lets the model see the truth: weight is truth, or follows from it",
    ),
    "a floor for another kind of prediction": (
        "pipeline.yaml", "floors: {roc_auc: 0.6}", "floors: {rmse: 3.0}", "code", "Expected: roc_auc, ",
    ),
    "a slice that is no column": ("pipeline.yaml", "slices: [depot]", "slices: [dept]", "offline chain", "'dept'"),
}  # fmt: skip


def test_an_estimator_that_cannot_go_on_learning_is_found(parcels: Parcels, command: Command) -> None:
    parcels.replace("pipeline.yaml", "split: {by", "learning: {}\nsplit: {by")
    assert _checks(parcels, command, 0)["learning chain"]["ok"] is True
    once = "class Once(BaseModel):\n    learns = True\n\n\nclass LateModel(Chain):"
    parcels.replace("models.py", "class LateModel(Chain):", f"from ml_pipeline.templates import BaseModel\n\n\n{once}")
    parcels.replace("models.py", "LogisticRegression(ridge=(100.0, 1.0))", "Once()")
    found = _checks(parcels, command, 2)["code"]
    assert "Once does not say how to go on" in str(found["says"])
    assert found["do"] == "write it, or leave `learning` out"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_where_it_is_and_says_what_to_do(parcels: Parcels, command: Command, fault: str) -> None:
    file, old, new, what, says = FAULTS[fault]
    parcels.replace(file, old, new)
    found = _checks(parcels, command, 2)
    assert found[what]["ok"] is False
    assert says in str(found[what]["says"])
    assert found[what]["do"]


def _spoilt(parcels: Parcels, column: str, word: str, rows: int) -> None:
    header, *lines = parcels.lines("parcels")
    at = header.split(",").index(column)
    cells = [line.split(",") for line in lines]
    spoilt = [[*row[:at], word if number < rows else row[at], *row[at + 1 :]] for number, row in enumerate(cells)]
    parcels.write("parcels", [header, *map(",".join, spoilt)])


@pytest.mark.parametrize(
    ("word", "what", "reason"),
    [
        ("n/a", "source parcels", "weight is not of type float64 (110), such as {'weight': 'n/a', 'parcel_id': 'p0'"),
        ("-1", "preparation of parcels", "the weight is negative (110), such as {"),
    ],
)
def test_more_bad_records_than_a_run_goes_on_with_are_found_before_it(
    parcels: Parcels, command: Command, word: str, what: str, reason: str
) -> None:
    _spoilt(parcels, "weight", word, 110)
    check = _checks(parcels, command, 2)[what]
    assert check["ok"] is False
    assert f"110 of 2,000 records are set aside: {reason}" in str(check["says"])
    assert "Expected: at most 5%" in str(check["says"])
    assert "missing=…" in str(check["do"])


def test_a_few_bad_records_are_told_and_are_no_fault(parcels: Parcels, command: Command) -> None:
    _spoilt(parcels, "weight", "n/a", 60)
    check = _checks(parcels, command, 0)["source parcels"]
    assert "60 of 2,000 records are set aside: weight is not of type float64 (60)" in str(check["says"])


def test_where_no_record_is_good_the_reason_is_told(parcels: Parcels, command: Command) -> None:
    _spoilt(parcels, "weight", "n/a", 2000)
    assert "has no good records. Given: 2,000 of 2,000" in str(_checks(parcels, command, 2)["source parcels"]["says"])


def test_what_rests_on_a_fault_is_not_looked_at_and_the_rest_is(parcels: Parcels, command: Command) -> None:
    parcels.replace("sources.py", "traffic.csv", "trafic.csv")
    found = _checks(parcels, command, 2)
    assert found["preparation of traffic"]["ok"] is found["offline chain"]["ok"] is None
    assert "because traffic could not be" in str(found["preparation of traffic"]["says"])
    assert found["preparation of customers"]["ok"] is True
    shown = command("validate", "parcels", "--store", parcels.store)
    assert shown.exit_code == 2
    assert shown.output.splitlines()[-1] == "1 to mend"


def test_a_store_out_of_reach_does_not_hide_the_rest(parcels: Parcels, command: Command) -> None:
    parcels.store = "ftp://elsewhere"
    found = _checks(parcels, command, 2)
    assert found["object store"]["ok"] is False
    assert found["online chain"]["ok"] is True


class Entry:
    """A check that somebody else brings."""

    name = "images"

    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer

    def load(self) -> Callable[[object], str]:
        if isinstance(self.answer, ImportError):
            raise self.answer
        return self.check

    def check(self, _: object) -> str:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "ok", "says"),
    [
        ("three images", True, "three images"),
        (UsageError("a container image is missing", given="x", do="build it"), False, "a container image is missing"),
        (ImportError("no plugin here"), None, "not looked at: no plugin here"),
    ],
)
def test_others_may_bring_checks(
    parcels: Parcels, command: Command, monkeypatch: pytest.MonkeyPatch, answer: str | Exception, ok: object, says: str
) -> None:
    monkeypatch.setattr(validation, "entry_points", lambda group: [Entry(answer)])
    found = _checks(parcels, command, 0 if ok is not False else 2)
    assert found["images"]["ok"] is ok
    assert says in str(found["images"]["says"])


def test_a_function_that_asks_for_a_frame_is_named_with_its_cost(parcels: Parcels, command: Command) -> None:
    parcels.replace(
        "models.py",
        "class PrepareTraffic",
        """@frame(reads=["speed"], writes=["speed"])
def slower(rows):
    return rows * 0.9


class PrepareTraffic""",
    )
    parcels.replace("models.py", 'chain(keep("depot", "measured_at"', 'chain(slower, keep("depot", "measured_at"')
    parcels.replace("models.py", "check, keep", "check, frame, keep")
    said = str(_checks(parcels, command, 0)["preparation of traffic"]["says"])
    assert "slower work on a DataFrame: milliseconds for a record online." in said
