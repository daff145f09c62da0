"""Each rule fails on a model that breaks it: a use case that somebody writes today, in a folder of its own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ml_pipeline import discovery
from ml_pipeline.models.encoder import Encoder
from ml_pipeline.templates import BaseModel, Parameters
from tests.contract import rules
from tests.contract.fingerprints import fingerprint, fingerprints_elsewhere
from tests.contract.rules import Rule, cases
from tests.contract.samples import sample
from tests.contract.subjects import Recipe, Subject, escaped, of_use_case, recipe, table

NAME = "newcomer"
PACKAGES = "ml_pipeline.use_cases"
PIPELINE = """
question: Will it be late?
key: order
time: due
label: late
sources:
  orders: {reader: sources.orders, prepare: models.PrepareOrders, known: due, drives: true}
  late_by_town: {from: orders, prepare: models.LateByTown, join: {on: [town], as_of: seen}}
model: models.Lateness
postprocess: models.Bands
"""
SOURCES = """
from pathlib import Path
from ml_pipeline.connectors import CsvFiles

TYPES = {"order": "string", "town": "string", "size": "float64", "due": "timestamp", "late": "float64"}
orders = CsvFiles(TYPES, address=Path(__file__).with_name("orders.csv"))
"""
MODELS = '''
import datetime as dt
import os
import random
import socket
import time
from datetime import datetime
from time import time as now

import numpy as np
from ml_pipeline.chain import Chain, Preparation, chain, check, keep
from ml_pipeline.columns import as_column, take
from ml_pipeline.models import Levels, LogisticRegression
from ml_pipeline.models.encoder import Encoder
from ml_pipeline.templates import BaseModel


@check("it has no size")
def measured(size):
    return size == size


class PrepareOrders(Preparation):
    steps = chain(measured, keep("order", "town", "size", "due", "late"))

    @classmethod
    def transform(cls, x, parameters=None):
        return super().transform(x)


class LateByTown(BaseModel):
    @classmethod
    def transform(cls, x, parameters=None):
        rate, at = float(x["late"].sum()), x["due"].max(initial=np.datetime64(0, "us"))
        towns = sorted(set(x["town"].values()) - {None})
        return {"town": type(x["town"]).of(towns), "seen": np.full(len(towns), at), "rate": np.full(len(towns), rate)}

    @classmethod
    def outputs(cls, parameters, kinds):
        return {"town": "category", "seen": "time", "rate": "number"}


class Centre(Encoder):
    """Subtracts the mean."""

    learns = True
    calls = 0

    @classmethod
    def transform(cls, x, parameters):
        size = x["size"] - 1.0 * parameters["mean"]
        return {**x, "size": size}

    @classmethod
    def fitted(cls, parameters):
        return "mean" in parameters

    @classmethod
    def accumulate(cls, parameters, x, y):
        return {"rows": len(y), "sum": float(x["size"].sum())}

    @classmethod
    def update(cls, parameters, statistics):
        mean = statistics["sum"] / statistics["rows"]
        return {**parameters, "mean": mean}


class Lateness(Chain):
    features = (Centre("size"), Levels("town", rare=1))
    estimator = LogisticRegression("size")


def band(prediction):
    return 100 * prediction


class Bands(Preparation):
    steps = chain(band, keep("order", "band"))
'''
CENTRE, PREPARE, DERIVED = "Lateness/0.Centre", "orders", "late_by_town"
WHERE = {
    rules.treats_rows_in_any_order: DERIVED,
    rules.makes_nothing_of_nothing: PREPARE,
    rules.keeps_every_row: PREPARE,
}
"""The model that is changed, where it is not `Centre`."""
SIZE, SUM, MEAN = '        size = x["size"]', '        return {"rows"', "        mean = "
GIVEN, LEARNT, PREPARED = '"size": size}', '"mean": mean}', "return super().transform(x)"
Change = tuple[str, str]


def before(line: str, added: str) -> Change:
    """A line that begins so, with another in front of it."""
    return line, f"        {added}\n{line}"


def sees(column: str) -> Change:
    """Something else in place of the size."""
    return before(SIZE, f"x = {{**x, 'size': {column}}}")


def method(signature: str, result: str) -> Change:
    """One more method."""
    start = "    @classmethod\n    def update"
    return start, f"    @classmethod\n    def {signature}:\n        return {result}\n\n{start}"


BROKEN: dict[Rule, dict[str, Change]] = {
    rules.leaves_what_it_is_given: {
        "changes its columns": before(SIZE, 'x["size"] += 1'),
        "changes its parameters": before(SIZE, 'parameters["mean"] += 1'),
        "changes its statistics": before(MEAN, 'statistics["rows"] += 1'),
        "changes its labels": before(SUM, "y[:1] = 1 - y[:1]"),
    },
    rules.needs_nothing_but_what_it_is_given: {
        "reads the clock": before(SIZE, "time.time()"),
        "reads the clock by a name of its own": before(SIZE, "now()"),
        "asks what day it is": before(SIZE, "dt.date.today()"),
        "asks what time it is": before(MEAN, "dt.datetime.now(dt.UTC)"),
        "asks what time it is by a name of its own": before(MEAN, "datetime.utcnow()"),
        "asks NumPy what time it is": before(SUM, 'np.datetime64("now")'),
        "reads the environment": before(SIZE, 'os.environ.get("HOME")'),
        "looks into the environment": before(SIZE, '"HOME" in os.environ'),
        "reads a variable": before(SIZE, 'os.getenv("HOME")'),
        "reads a file": before(SIZE, "open(os.devnull).close()"),
        "opens a socket": before(SIZE, "socket.socket().close()"),
        "throws dice": before(SUM, "random.random()"),
        "has NumPy's older dice without a seed": before(SUM, "np.random.RandomState().normal()"),
        "has Python's dice without a seed": before(SUM, "random.Random().random()"),
        "throws NumPy's dice": before(SIZE, "np.random.normal()"),
        "has dice without a seed": before(SIZE, "np.random.default_rng()"),
        "hides what it asks for": before(SIZE, "try: time.time()\n        except AssertionError: pass"),
    },
    rules.answers_the_same_twice: {
        "counts its calls": before(SIZE, 'cls.calls += 1; x = {**x, "size": x["size"] + cls.calls}'),
        "learns from its calls": (MEAN, "        cls.calls += 1\n        mean = cls.calls + "),
    },
    rules.treats_each_row_alone: {
        "looks at the other rows": sees('x["size"] - x["size"].mean()'),
        "looks at the row before": sees('np.roll(x["size"], 1)'),
        "sees codes instead of words": sees('x["town"].codes * 1.0'),
        "sees the size of the batch": sees('x["size"] + (len(x["size"]) > 2000)'),
    },
    rules.treats_rows_in_any_order: {"sees the order of a table": ('float(x["late"].sum())', 'float(x["size"][1])')},
    rules.goes_through_yaml: {
        "learns a set": (LEARNT, '"mean": mean, "seen": {1, 2}}'),
        "learns a moment": (LEARNT, '"mean": mean, "at": np.datetime64(0, "s")}'),
        "has coefficients without a bias": (LEARNT, '"mean": mean, "coefficients": {}}'),
        "learns what comes back as a list": (LEARNT, '"mean": np.array([mean])}'),
    },
    rules.sums_up_in_parts: {
        "forgets a part": method("merge(cls, a, b)", "a"),
        "merges means": ('float(x["size"].sum())', 'float(x["size"].sum()) / max(len(y), 1)'),
    },
    rules.learns_the_same_from_any_batches: {"counts batches": ('"rows": len(y)', '"rows": len(y) + 1')},
    rules.keeps_what_outputs_promises: {
        "promises a block": method("outputs(cls, parameters, kinds)", '{**kinds, "size": "block"}'),
        "gives another column": (GIVEN, '"size": size, "more": size}'),
    },
    rules.gives_whole_columns: {
        "gives small numbers": (GIVEN, '"size": size, "more": size.astype("f4")}'),
        "gives a column that is too short": (GIVEN, '"size": size, "more": size[1:]}'),
    },
    rules.makes_nothing_of_nothing: {
        "makes a row of nothing": (
            PREPARED,
            'return super().transform(x) | ({} if len(x["due"]) else {"size": np.zeros(1)})',
        ),
        "leaves a column out of nothing": (PREPARED, f'{PREPARED} if len(x["due"]) else {{}}'),
    },
    rules.keeps_every_row: {
        "drops bad rows": (PREPARED, 'return take(super().transform(x), x["size"] == x["size"])'),
    },
}
CHANGES = [pytest.param(rule, change, id=what) for rule, changes in BROKEN.items() for what, change in changes.items()]


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Writes the use case with some code for its models, for discovery to find."""

    def write(models: str, name: str = NAME) -> None:
        folder = tmp_path / name
        folder.mkdir()
        for file, content in {"pipeline.yaml": PIPELINE, "sources.py": SOURCES, "models.py": models}.items():
            (folder / file).write_text(content)
        (folder / "__init__.py").touch()
        (folder / "orders.csv").write_text("\n".join(_orders()))

    monkeypatch.setenv(discovery.FOLDERS, str(tmp_path))
    discovery._packages.cache_clear()
    importlib.invalidate_caches()
    yield write
    monkeypatch.undo()
    discovery._packages.cache_clear()
    for module in [module for module in sys.modules if module.startswith(f"{PACKAGES}.{NAME}")]:
        del sys.modules[module]


def _orders() -> Iterator[str]:
    yield "order,town,size,due,late"
    x, late = table(300)
    for row, (town, size, label) in enumerate(zip(x["carrier"].values(), x["wind"], late, strict=True)):
        yield f"o{row},{town or ''},{'' if np.isnan(size) else size},2024-01-01T{row % 24:02}:00:00Z,{label}"


def _subject(model: str, tmp_path: Path) -> tuple[Recipe, Subject]:
    subjects = sample(NAME, tmp_path)
    (found,) = [own for own in of_use_case(NAME) if own.name == f"{NAME}/{model}"]
    return found, found.make(lambda _: subjects)


def test_a_newcomer_that_keeps_the_rules_passes(newcomer: Callable[..., None], tmp_path: Path) -> None:
    name = f"{NAME}_who_is_good"
    newcomer(MODELS, name)
    subjects, recipes = sample(name, tmp_path), of_use_case(name)
    assert {own.name for own in recipes} == subjects.keys()
    for _, rule, own in cases(recipes):
        rule(own.make(lambda _: subjects))
    assert escaped(BaseModel, {f"{PACKAGES}.{name}"}, {own.model for own in recipes}) == []


@pytest.mark.parametrize(("rule", "change"), CHANGES)
def test_a_newcomer_that(rule: Rule, change: Change, newcomer: Callable[..., None], tmp_path: Path) -> None:
    assert MODELS.count(change[0]) == 1
    newcomer(MODELS.replace(*change))
    found, subject = _subject(WHERE.get(rule, CENTRE), tmp_path)
    assert rules.RULES[rule](found)
    with pytest.raises(AssertionError):
        rule(subject)


def test_a_newcomer_whose_step_reads_the_clock_is_told_so(newcomer: Callable[..., None], tmp_path: Path) -> None:
    newcomer(MODELS.replace("    return size == size", "    return (size == size) & (time.time() > 0)"))
    _, subject = _subject(PREPARE, tmp_path)
    with pytest.raises(AssertionError, match=r"it asks for time\.time"):
        rules.needs_nothing_but_what_it_is_given(subject)


SEEDED = "np.random.RandomState(1).normal(); random.Random(2).random(); np.random.default_rng(3)"


def test_a_newcomer_may_learn_by_dice_with_a_seed_and_ask_what_dice_they_are(
    newcomer: Callable[..., None], tmp_path: Path
) -> None:
    asks = "assert isinstance(np.random.RandomState(0), np.random.RandomState); assert not isinstance(1, random.Random)"
    newcomer(MODELS.replace(*before(SUM, f"{SEEDED}; {asks}")))
    rules.needs_nothing_but_what_it_is_given(_subject(CENTRE, tmp_path)[1])


def test_what_a_rule_says_is_short_however_much_was_learnt(newcomer: Callable[..., None], tmp_path: Path) -> None:
    newcomer(MODELS.replace(LEARNT, '"mean": mean, "coefficients": [*range(9000)]}'))
    with pytest.raises(AssertionError) as caught:
        rules.goes_through_yaml(_subject(CENTRE, tmp_path)[1])
    assert len(str(caught.value)) < 500


def test_every_rule_has_been_seen_to_fail() -> None:
    assert BROKEN.keys() == rules.RULES.keys()


def test_a_model_that_nobody_names_escapes(newcomer: Callable[..., None]) -> None:
    name = f"{NAME}_who_forgets"
    newcomer(f"{MODELS}\n\nclass Forgotten(Centre):\n    pass\n", name)
    tried = {own.model for own in of_use_case(name)}
    assert escaped(BaseModel, {f"{PACKAGES}.{name}"}, tried) == [f"{PACKAGES}.{name}.models.Forgotten"]


@pytest.mark.long
def test_a_newcomer_that_hashes_words_answers_otherwise_in_another_process(
    newcomer: Callable[..., None], tmp_path: Path
) -> None:
    newcomer(MODELS.replace('float(x["late"].sum())', 'float(hash("late"))'))
    _, subject = _subject(DERIVED, tmp_path)
    assert fingerprint(subject) == fingerprint(subject)
    assert fingerprint(subject) != fingerprints_elsewhere(tmp_path, [NAME])[f"{NAME}/{DERIVED}"]


class Demanding(Encoder):
    """Has an option without a default."""

    @classmethod
    def start(cls, *columns: str, wanted: int) -> Parameters:
        return {"columns": list(columns), "wanted": wanted}


def test_a_model_that_cannot_be_made_by_default_needs_an_example() -> None:
    with pytest.raises(AssertionError, match=r"add Demanding to EXAMPLES in tests/contract/subjects\.py"):
        recipe(Demanding).make(lambda _: {})
