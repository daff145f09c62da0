"""A model trained again is the same, and what could make it another is said."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import pytest

from ml_pipeline.discovery import find
from ml_pipeline.errors import IntegrityError, NotFoundError, StageError
from ml_pipeline.lineage.reproduction import Distance, Reproduction, distance, reproduce

if TYPE_CHECKING:
    from tests.conftest import Parcels


def _again(champion: Parcels, version: str = "") -> Reproduction:
    return reproduce(find("parcels"), champion.registry, version or champion.registry.champion())


def test_a_model_of_weeks_ago_is_made_again_to_the_last_byte_while_newer_snapshots_exist(champion: Parcels) -> None:
    version = champion.registry.champion()
    for day in (1, 2, 21):
        champion.run("offline", "ingest", as_of=champion.as_of + dt.timedelta(days=day))
    before = {key: champion.room.get(key) for key in champion.objects()}
    found = _again(champion, version)
    assert (found.outcome, found.largest_difference, found.causes) == ("same bytes", 0.0, [])
    assert {key: champion.room.get(key) for key in champion.objects()} == before


def test_the_second_of_two_nights_shares_parts_with_the_first_and_is_made_again(champion: Parcels) -> None:
    second = champion.run("offline", as_of=champion.next_night)["train"].model_version
    assert _again(champion, second).outcome == "same bytes"


def test_the_configuration_of_then_is_used_and_that_of_today_named(champion: Parcels) -> None:
    other = {"split.test": "6d", "seed": 3, "sources.traffic.join.tolerance": "5h"}
    version = champion.run("offline", parameters=other)["train"].model_version
    found = _again(champion, version)
    assert found.outcome == "same bytes"
    named = {cause.name: (cause.old, cause.new) for cause in found.causes}
    assert named == {"split.test": ("6d", "8d"), "sources.traffic.join.tolerance": ("5h", "3h")}


def test_code_that_computes_otherwise_is_found_out_and_named(champion: Parcels) -> None:
    champion.replace("models.py", "delay >= 30", "delay >= 60")
    found = _again(champion)
    assert found.outcome == "different"
    assert 1e-9 < found.largest_difference < math.inf
    assert found.at
    assert [(cause.kind, cause.name) for cause in found.causes] == [("source", "parcels/models.py")]


def test_code_that_cannot_train_it_says_what_differs(champion: Parcels) -> None:
    champion.replace("models.py", 'keep("depot", "measured_at", "speed")', 'keep("depot", "measured_at")')
    with pytest.raises(StageError, match="cannot be trained again here") as caught:
        _again(champion)
    assert "source parcels/models.py" in caught.value.expected
    assert "speed" in caught.value.given


def test_a_snapshot_that_is_gone_is_missed(champion: Parcels) -> None:
    champion.room.delete("raw/traffic/20240204T230000Z/manifest.yaml")
    with pytest.raises(NotFoundError, match="not all snapshots are there") as caught:
        _again(champion)
    assert "1 of 3 are missing" in caught.value.given


def test_a_snapshot_that_was_changed_is_refused(champion: Parcels) -> None:
    (key,) = [key for key in champion.objects("raw/traffic/") if key.endswith(".parquet")]
    champion.room.put(key, champion.room.get(key) + b"x")
    with pytest.raises(IntegrityError, match="not what was written"):
        _again(champion)


def _model(bias: Any, **more: Any) -> dict[str, Any]:
    return {"features": [{"columns": ["a"]}], "estimator": {"bias": bias, **more}}


@pytest.mark.parametrize(
    ("stored", "again", "expected"),
    [
        (_model(1.0), _model(1.0), Distance(0.0, "")),
        (_model(1.0), _model(1.0 + 1e-10), Distance(pytest.approx(1e-10, rel=1e-3), "estimator.bias")),
        (_model(0.0), _model(1e-17), Distance(0.0, "")),
        (_model(1.0, fit={"gradient": 1e-12}), _model(1.0, fit={"gradient": 2e-12}), Distance(0.0, "")),
        (_model(1.0), _model("one"), Distance(math.inf, "estimator.bias")),
        (_model(1.0), _model(1.0, more=2.0), Distance(math.inf, "estimator.more")),
        (_model([1.0, 2.0]), _model([1.0, 4.0]), Distance(0.5, "estimator.bias[1]")),
    ],
)
def test_how_far_two_sets_of_parameters_are_apart(stored: Any, again: Any, expected: Distance) -> None:
    assert distance(stored, again) == expected
