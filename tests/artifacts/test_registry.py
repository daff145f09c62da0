"""Models visible only when whole, parameters that are proved, and a promotion log with one winner for each entry."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.artifacts.registry import METRICS, MODEL, PARAMETERS, Model, Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import IntegrityError, NotFoundError, StageError

LEARNT = {"features": [], "estimator": {"bias": -0.0, "coefficients": {"seats": 0.1, "long": np.arange(100.0)}}}
RACER = """
import json, sys
from ml_pipeline.artifacts.promotion_log import Promotion, now
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import StageError

uri, prefix, name = sys.argv[1:]
registry = Registry(Store(uri, prefix))
last = registry.last_promotion()
entry = Promotion(number=(last.number if last else 0) + 1, to=name, previous=last.to if last else "", actor="gate",
                  reason="", run="r", as_of="2013-09-01", evidence="", at=now())
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


def add(registry: Registry, version: str = "v1", as_of: str = "2013-09-01T04:00:00+00:00") -> Model:
    content = parameters_file.dump(LEARNT, "Late")
    model = Model(
        version=version, model="models.Late", system_version="s", as_of=as_of, rows=3, seed=0,
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
    log = [
        entry(1, "v1"),
        entry(2, "v2", previous="v1", at="2024-01-01T04:00:00+00:00"),
        entry(3, "v1", previous="v2", actor="a person", at="2024-01-02T04:00:00+00:00", kind="rollback"),
    ]
    for promotion in log:
        add(registry, promotion.to)
        assert registry.promote(promotion) == promotion
    assert registry.promotions() == log
    assert registry.last_promotion() == log[-1]
    assert registry.champion() == "v1"


def test_entries_stay_in_order_past_ten(local: Store) -> None:
    registry = Registry(local)
    for number in range(1, 13):
        add(registry, f"v{number}")
        registry.promote(entry(number, f"v{number}"))
    assert [promotion.number for promotion in registry.promotions()] == list(range(1, 13))
    assert registry.champion() == "v12"


@pytest.mark.parametrize("number", [0, 1, 3])
def test_only_the_next_entry_is_taken(registry: Registry, number: int) -> None:
    add(registry)
    registry.promote(entry(1, "v1"))
    add(registry, "v2")
    with pytest.raises(StageError, match="another promotion came first") as caught:
        registry.promote(entry(number, "v2"))
    assert "evaluate again" in caught.value.do
    assert registry.champion() == "v1"
    assert len(registry.promotions()) == 1


def test_a_model_that_is_not_there_or_was_tampered_with_is_not_promoted(registry: Registry) -> None:
    with pytest.raises(NotFoundError, match="no such model"):
        registry.promote(entry(1, "v1"))
    add(registry)
    registry.store.put(registry.key("v1", PARAMETERS), parameters_file.dump({}, "Late"))
    with pytest.raises(IntegrityError, match="not what was written"):
        registry.promote(entry(1, "v1"))
    assert registry.promotions() == []


def test_an_entry_of_an_older_version_says_neither_when_nor_what_kind(registry: Registry) -> None:
    add(registry)
    old = {key: value for key, value in msgspec.to_builtins(entry(1)).items() if key not in ("at", "kind")}
    registry.store.put("promotions/000001.yaml", plain_yaml.dump(old))
    assert registry.promotions() == [entry(1)]
    assert (entry(1).at, entry(1).kind) == ("", "promote")
    written = registry.promote(entry(2, previous="v1", at="2024-01-01T04:00:00+00:00"))
    assert registry.promotions()[1] == written
    assert registry.promotion_as_of(dt.datetime(2000, 1, 1, tzinfo=dt.UTC)) == entry(1)


def test_a_clock_that_goes_back_does_not_turn_the_log_around(registry: Registry) -> None:
    add(registry)
    registry.promote(entry(1, at="2024-01-02T00:00:00+00:00"))
    assert registry.promote(entry(2, at="2024-01-01T00:00:00+00:00")).at == "2024-01-02T00:00:00+00:00"
    assert registry.promote(entry(3, at="2024-01-02T01:30:00.9+01:00")).at == "2024-01-02T00:30:00+00:00"


MOMENTS = st.integers(0, 40).map(lambda hour: dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hour))


@given(st.lists(MOMENTS, max_size=12), MOMENTS)
def test_the_champion_of_any_moment_is_that_of_the_last_entry_until_then(
    clock: list[dt.datetime], asked: dt.datetime
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Store(folder))
        add(registry)
        log = [registry.promote(entry(n, at=at.isoformat())) for n, at in enumerate(clock, 1)]
        until = [own for own in log if dt.datetime.fromisoformat(own.at) <= asked]
        assert registry.promotion_as_of(asked) == (until[-1] if until else None)
        assert log == sorted(log, key=lambda own: (own.at, own.number))


def _log(local: Store, *numbers: int) -> Registry:
    registry = Registry(local)
    add(registry)
    for number in numbers:
        registry.promote(entry(number))
    return registry


def _refused(registry: Registry, number: int) -> list[IntegrityError]:
    """What reading and appending say; the log is as before."""
    before = {key: registry.store.get(key) for key in registry.store.keys("promotions/")}
    found = []
    for act in (registry.champion, registry.promotions, lambda: registry.promote(entry(number))):
        with pytest.raises(IntegrityError) as caught:
            act()
        found.append(caught.value)
    assert {key: registry.store.get(key) for key in registry.store.keys("promotions/")} == before
    return found


def test_a_log_with_a_gap_is_refused(local: Store, tmp_path: Path) -> None:
    registry = _log(local, 1, 2, 3)
    (tmp_path / "store/promotions/000002.yaml").unlink()
    for error in _refused(registry, 4):
        assert error.what == "the promotion log has a gap"
        assert "promotions/000002.yaml" in error.given


@given(count=st.integers(0, 40), most=st.integers(1, 50))
def test_the_newest_entries_are_those_at_the_end_of_the_whole_log(count: int, most: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        registry = _log(Store(folder), *range(1, count + 1))
        assert registry.log.newest(most) == list(reversed(registry.promotions()))[:most]


def test_the_newest_entries_of_a_log_with_a_gap_are_refused(local: Store, tmp_path: Path) -> None:
    registry = _log(local, 1, 2, 3)
    (tmp_path / "store/promotions/000002.yaml").unlink()
    with pytest.raises(IntegrityError, match="a gap"):
        registry.log.newest(1)


@pytest.mark.parametrize("name", ["notes.txt", "last.yaml", "2.yaml", "000000.yaml", "0000002.yaml", "old/000002.yaml"])
def test_what_is_no_entry_is_refused(local: Store, name: str) -> None:
    registry = _log(local, 1)
    local.put(f"promotions/{name}", local.get("promotions/000001.yaml"))
    for error in _refused(registry, 2):
        assert error.what == "something else lies in the promotion log"
        assert f"promotions/{name}" in error.given


@pytest.mark.parametrize("values", [{"number": 1}, {"number": 2, "at": "yesterday"}, {"number": 2, "at": "2024-01-01"}])
def test_the_entry_of_another_log_is_refused(local: Store, values: dict[str, Any]) -> None:
    registry = _log(local, 1)
    local.put("promotions/000002.yaml", plain_yaml.dump(msgspec.to_builtins(entry(2)) | values))
    for error in _refused(registry, 3):
        assert error.what == "this is another entry of a promotion log"
        assert "promotions/000002.yaml" in error.given


@pytest.mark.parametrize(
    "content", [b"", b"number: 1\nto: v1\n", b"number: one\n", b"to: !!python/name:os.system\n", b"\xff\x00"]
)
def test_an_entry_that_was_changed_is_noticed(local: Store, content: bytes) -> None:
    registry = _log(local, 1)
    local.put("promotions/000001.yaml", content)
    for error in _refused(registry, 2):
        assert "promotions/000001.yaml" in error.given


def test_only_some_of_a_long_log_are_read(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, read = _log(local), list[int]()
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    for number in range(1, 201):
        at = (start + dt.timedelta(days=number)).isoformat()
        local.put(f"promotions/{number:06d}.yaml", plain_yaml.dump(msgspec.to_builtins(entry(number, at=at))))
    one = registry.log.entry
    monkeypatch.setattr(registry.log, "entry", lambda number: read.append(number) or one(number))
    found = registry.promotion_as_of(start + dt.timedelta(days=77, hours=5))
    assert found
    assert found.number == 77
    assert len(read) <= 9


def test_models_are_ordered_by_as_of_and_found_by_the_beginning_of_their_names(registry: Registry) -> None:
    for version, day in (("aa1", 3), ("ab2", 1), ("ba3", 2)):
        add(registry, version, f"2013-09-0{day}T06:00:00+02:00")
    for version in ("ab2", "half"):
        registry.store.put(registry.key(version, METRICS), b"{}")
    found = [("20130903T040000Z", "aa1"), ("20130902T040000Z", "ba3"), ("20130901T040000Z", "ab2"), ("", "half")]
    assert registry.by_as_of() == found
    assert registry.named("a") == ["aa1", "ab2"]
    assert [version for _, version in found if registry.is_evaluated(version)] == ["ab2"]


def test_the_newest_models_are_the_same_whether_or_not_all_are_listed(registry: Registry) -> None:
    for year in (2011, 2012, 2013):
        for day in (1, 2):
            add(registry, f"v{year}{day}", f"{year}-09-0{day}T04:00:00+00:00")
    near = dt.datetime(2013, 9, 2, tzinfo=dt.UTC)
    for most in range(1, 8):
        assert registry.newest(most, near) == registry.by_as_of()[:most]


def test_a_model_from_before_there_was_an_index_is_ordered_too(local: Store) -> None:
    registry = Registry(local)
    for version in ("v1", "v2"):
        add(registry, version)
    local.delete("index/20130901T040000Z/v1")
    assert registry.by_as_of() == [("20130901T040000Z", "v2"), ("20130901T040000Z", "v1")]


class AnswersGetLost(Store):
    """Writes what it is given, and is told on asking again that it is there."""

    def create(self, key: str, content: bytes) -> bool:
        super().create(key, content)
        return False


def test_an_entry_of_which_the_answer_was_lost_is_written(tmp_path: Path) -> None:
    registry = Registry(AnswersGetLost(str(tmp_path)))
    add(registry)
    registry.promote(entry(1))
    assert registry.promotions() == [entry(1)]


@pytest.mark.long
def test_of_eight_processes_that_promote_at_once_one_wins(registry: Registry) -> None:
    for name in ("before", *(f"racer {n}" for n in range(8))):
        add(registry, name)
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
