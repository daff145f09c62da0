"""Models visible only when whole, parameters that are proved, and a promotion log with one winner for each entry."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.artifacts.registry import METRICS, MODEL, PARAMETERS, Model, Promotion, Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import IntegrityError, NotFoundError, StageError

LEARNT = {"features": [], "estimator": {"bias": -0.0, "coefficients": {"seats": 0.1, "long": np.arange(100.0)}}}
RACER = """
import json, sys
from ml_pipeline.artifacts.registry import Promotion, Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import StageError

uri, prefix, name = sys.argv[1:]
registry = Registry(Store(uri, prefix))
last = registry.last_promotion()
entry = Promotion(number=(last.number if last else 0) + 1, to=name, previous=last.to if last else "", actor="gate",
                  reason="", run="r", as_of="2013-09-01", evidence="")
print("ready", flush=True)
sys.stdin.readline()
try:
    registry.promote(entry)
except StageError as error:
    print(json.dumps([name, error.what]))
else:
    print(json.dumps([name, "won"]))
"""


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store)


def add(registry: Registry, version: str = "v1") -> Model:
    content = parameters_file.dump(LEARNT, "Late")
    model = Model(
        version=version, model="models.Late", system_version="s", as_of="2013-09-01T04:00:00+00:00", rows=3, seed=0,
        snapshots=["a"], made_from={"train": "d"}, system={"source": {"demo/models.py": "1"}},
        synthetic=[],
        parameters_sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    registry.add(model, content)
    return model


def entry(number: int, to: str = "v1", **other: Any) -> Promotion:
    values = {"previous": "", "actor": "gate", "reason": "it is better", "run": "r", "as_of": "t", "evidence": "e"}
    return Promotion(number=number, to=to, **{**values, **other})


def test_what_is_added_is_found(registry: Registry) -> None:
    model = add(registry)
    assert registry.has("v1")
    assert registry.model("v1") == model
    assert registry.versions() == ["v1"]
    found = registry.parameters("v1")
    assert parameters_file.dump(found, "Late") == parameters_file.dump(LEARNT, "Late")
    artifact = registry.artifact("v1")
    assert (artifact.key, artifact.digest) == ("models/v1/parameters.yaml", model.parameters_sha256)


def test_a_model_without_its_description_is_not_there(registry: Registry) -> None:
    registry.store.put(registry.key("half", PARAMETERS), parameters_file.dump(LEARNT, "Late"))
    add(registry)
    assert not registry.has("half")
    assert registry.versions() == ["v1"]
    with pytest.raises(NotFoundError, match="no such model") as caught:
        registry.parameters("half")
    assert caught.value.given == "half"


@pytest.mark.parametrize("change", [b"bias: 0.5", b"bias: !!python/object/apply:os.getcwd []"])
def test_tampered_parameters_are_refused(registry: Registry, change: bytes) -> None:
    add(registry)
    key = registry.key("v1", PARAMETERS)
    registry.store.put(key, registry.store.get(key).replace(b"bias: -0.0", change))
    with pytest.raises(IntegrityError, match="not what was written") as caught:
        registry.parameters("v1")
    assert registry.store.address(key) in caught.value.given


def test_lost_parameters_are_named(registry: Registry) -> None:
    model = msgspec.to_builtins(add(registry))
    registry.store.put(registry.key("v2", MODEL), plain_yaml.dump(model | {"version": "v2"}))
    with pytest.raises(NotFoundError, match="not there") as caught:
        registry.parameters("v2")
    assert "models/v2/parameters.yaml" in caught.value.given


def test_a_description_cut_off_anywhere_is_noticed(local: Store) -> None:
    registry = Registry(local)
    add(registry)
    key = registry.key("v1", MODEL)
    whole = local.get(key)
    for length in range(len(whole.rstrip())):
        local.put(key, whole[:length])
        with pytest.raises(IntegrityError) as caught:
            registry.parameters("v1")
        assert "models/v1/" in caught.value.given


def test_metrics_are_what_evaluation_found(registry: Registry) -> None:
    assert registry.metrics("v1") == {}
    registry.store.put(registry.key("v1", METRICS), plain_yaml.dump({"metrics": {"roc_auc": 0.7}}))
    assert registry.metrics("v1") == {"metrics": {"roc_auc": 0.7}}


def test_metrics_that_are_none_are_named(local: Store) -> None:
    registry = Registry(local)
    local.put(registry.key("v1", METRICS), b"a: [1")
    with pytest.raises(IntegrityError) as caught:
        registry.metrics("v1")
    assert "models/v1/metrics.yaml" in caught.value.given


def test_the_last_entry_names_the_champion(registry: Registry) -> None:
    assert registry.champion() == ""
    assert registry.last_promotion() is None
    log = [entry(1, "v1"), entry(2, "v2", previous="v1"), entry(3, "v1", previous="v2", actor="a person")]
    for promotion in log:
        registry.promote(promotion)
    assert registry.promotions() == log
    assert registry.last_promotion() == log[-1]
    assert registry.champion() == "v1"


def test_entries_stay_in_order_past_ten(local: Store) -> None:
    registry = Registry(local)
    for number in range(1, 13):
        registry.promote(entry(number, f"v{number}"))
    assert [promotion.number for promotion in registry.promotions()] == list(range(1, 13))
    assert registry.champion() == "v12"


@pytest.mark.parametrize("number", [0, 1, 3])
def test_only_the_next_entry_is_taken(registry: Registry, number: int) -> None:
    registry.promote(entry(1, "v1"))
    with pytest.raises(StageError, match="another promotion came first") as caught:
        registry.promote(entry(number, "v2"))
    assert "evaluate again" in caught.value.do
    assert registry.champion() == "v1"
    assert len(registry.promotions()) == 1


def test_a_log_with_a_gap_is_refused(local: Store, tmp_path: Path) -> None:
    registry = Registry(local)
    for number in (1, 2, 3):
        registry.promote(entry(number))
    (tmp_path / "store/promotions/000002.yaml").unlink()
    for read in (registry.champion, registry.promotions, lambda: registry.promote(entry(4))):
        with pytest.raises(IntegrityError, match="has a gap") as caught:
            read()
        assert caught.value.given == "1, 3"


@pytest.mark.parametrize("content", [b"", b"number: 1\nto: v1\n", b"number: one\n", b"to: !!python/name:os.system\n"])
def test_an_entry_that_was_changed_is_noticed(local: Store, content: bytes) -> None:
    registry = Registry(local)
    registry.promote(entry(1))
    local.put("promotions/000001.yaml", content)
    with pytest.raises(IntegrityError) as caught:
        registry.champion()
    assert "promotions/000001.yaml" in caught.value.given


class AnswersGetLost(Store):
    """Writes what it is given, and is told on asking again that it is there."""

    def create(self, key: str, content: bytes) -> bool:
        super().create(key, content)
        return False


def test_an_entry_of_which_the_answer_was_lost_is_written(tmp_path: Path) -> None:
    registry = Registry(AnswersGetLost(str(tmp_path)))
    registry.promote(entry(1))
    assert registry.promotions() == [entry(1)]


def test_of_eight_processes_that_promote_at_once_one_wins(registry: Registry) -> None:
    registry.promote(entry(1, "before"))
    command = [sys.executable, "-c", RACER, registry.store.uri, registry.store.prefix]
    racers = [
        subprocess.Popen([*command, f"racer {n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(8)
    ]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    outcomes = [json.loads(said) for said in _release(racers)]
    assert all(racer.returncode == 0 for racer in racers)
    winners = [name for name, outcome in outcomes if outcome == "won"]
    assert len(winners) == 1
    assert [outcome for _, outcome in outcomes].count("another promotion came first") == 7
    assert [promotion.to for promotion in registry.promotions()] == ["before", winners[0]]
    assert registry.promotions()[-1].previous == "before"


def _release(racers: list[subprocess.Popen[str]]) -> list[str]:
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("\n")
        racer.stdin.flush()
    return [racer.communicate()[0] for racer in racers]
