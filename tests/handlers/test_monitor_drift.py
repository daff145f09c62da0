"""What was predicted is compared with what its model predicted of the test rows, and labels with those of training."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml_pipeline.artifacts.registry import PREDICTIONS, SKETCHES
from ml_pipeline.columns import Category
from ml_pipeline.data.profile import Profile, unpack
from ml_pipeline.handlers import drifting
from ml_pipeline.monitoring import usual
from tests.conftest import AS_OF

if TYPE_CHECKING:
    from tests.conftest import Parcels

DAY = dt.timedelta(days=1)
SETTINGS: dict[str, Any] = {"least": 20, "drift": {"least": 20}}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A week is a day, and three days tell what is usual: four runs take a second each, and 23 would not."""
    monkeypatch.setattr(drifting, "WEEK", 1)
    monkeypatch.setattr(drifting, "LEAST", 3)
    monkeypatch.setattr(usual, "LEAST", 3)


@pytest.fixture
def scored(champion: Parcels) -> Parcels:
    """Three days are scored, each on its eve."""
    for day in range(3):
        champion.run("online", as_of=AS_OF + day * DAY)
    return champion


def reasons(parcels: Parcels, days: float = 4) -> list[str]:
    """What monitoring says once the fourth day is scored."""
    parcels.run("online", as_of=AS_OF + 3 * DAY)
    parameters = {"monitoring": SETTINGS}
    result = parcels.run("monitoring", as_of=AS_OF + days * DAY, parameters=parameters)["monitor"]
    assert result.verdict
    found: list[str] = result.verdict["reasons"]
    return found


def heavy(parcels: Parcels) -> None:
    """All parcels of the fourth day weigh so much that all of them are predicted to be late."""
    first, last = (f"{AS_OF + day * DAY:%Y-%m-%dT%H:%M:%SZ}" for day in (3, 4))
    fields = [line.split(",") for line in parcels.lines("parcels")]
    of_day = [[*own[:3], "60.0", *own[4:]] if first < own[4] <= last else own for own in fields]
    assert of_day != fields
    parcels.write("parcels", [",".join(own) for own in of_day])


def test_evaluation_leaves_what_the_model_predicted_of_its_test_rows(champion: Parcels) -> None:
    version, results = champion.registry.champion(), champion.run("offline")
    test = champion.dataset(results, "test")
    found = champion.registry.predictions(version)
    assert (found.rows, list(found.columns)) == (test.manifest.rows, ["prediction"])
    content = champion.room.get(champion.registry.key(version, PREDICTIONS))
    champion.run("offline", "evaluate", force=True)
    assert champion.room.get(champion.registry.key(version, PREDICTIONS)) == content
    assert unpack(content, "") == found


def test_evaluation_leaves_how_far_apart_predictions_are(champion: Parcels) -> None:
    champion.run("offline")
    found = champion.registry.metrics(champion.registry.champion())["calibration_slope"]
    assert found["low"] < 1.0 < found["high"]


def test_predictions_like_those_of_the_test_rows_are_ok(scored: Parcels) -> None:
    said = reasons(scored)
    assert (
        "Drift of predictions of the last 7 days from those of the test rows, beyond what is usual: ok: 1 of 1 columns."
        in said
    )
    assert any(own.startswith("Drift of the labels of the last 7 days that are mature") for own in said)
    assert not any(own.startswith("Drift of predictions, ") for own in said)


def test_predictions_that_are_others_are_told_with_how_far_and_where(scored: Parcels) -> None:
    heavy(scored)
    said = reasons(scored)
    (told,) = (own for own in said if own.startswith("Drift of predictions, "))
    assert told.startswith("Drift of predictions, prediction: ")
    assert "population stability index" in told
    assert "of the reference)." in told
    assert any(own.startswith("Drift of weight: ") for own in said)


def test_labels_that_are_others_are_told(scored: Parcels) -> None:
    first, last = (f"{AS_OF + day * DAY:%Y-%m-%dT%H:%M:%SZ}" for day in (3, 4))
    fields = [line.split(",") for line in scored.lines("parcels")]
    late = [[*own[:-1], "99"] if first < own[4] <= last else own for own in fields]
    scored.write("parcels", [",".join(own) for own in late])
    (told,) = (own for own in reasons(scored, days=5) if own.startswith("Drift of truth, "))
    assert told.startswith("Drift of truth, late: ")


def test_weeks_over_time_are_stored(scored: Parcels) -> None:
    heavy(scored)
    reasons(scored)
    results = scored.run("monitoring", as_of=AS_OF + 4 * DAY, parameters={"monitoring": SETTINGS})
    columns = scored.dataset(results, "health").columns()
    source, measure, severity = (_words(columns[name]) for name in ("source", "measure", "severity"))
    own = (source == "predictions") & (measure == "psi")
    psi, known = np.asarray(columns["value"])[own], np.asarray(columns["usual"])[own]
    assert len(psi) == 4
    assert psi[-1] > psi[:-1].max()
    assert known == pytest.approx([*[np.nan] * 3, psi[:-1].max()], nan_ok=True)
    assert severity[own][-1] in ("watch", "act")
    assert set(severity[own][:-1]) == {"not enough data"}


def test_a_model_that_was_evaluated_before_has_nothing_to_compare_with(scored: Parcels) -> None:
    version = scored.registry.champion()
    scored.room.delete(scored.registry.key(version, PREDICTIONS))
    (told,) = (own for own in reasons(scored) if own.startswith("Drift of predictions"))
    assert told.endswith(f"{version} was evaluated before this was kept. The next model that is trained has it.")


def test_a_profile_that_is_damaged_is_told(scored: Parcels) -> None:
    version = scored.registry.champion()
    for name in (PREDICTIONS, SKETCHES):
        scored.room.put(scored.registry.key(version, name), b"half a profile")
    said = reasons(scored)
    assert any(
        f"What {version} predicted of its test rows is not known: a profile cannot be read" in own for own in said
    )
    assert any(f"What {version} was trained on is not known: a profile cannot be read" in own for own in said)


def test_a_reference_of_another_schema_cannot_be_compared(scored: Parcels) -> None:
    version, registry = scored.registry.champion(), scored.registry
    words = Profile.of({"prediction": Category.of(["yes", "no"] * 100), "probability_yes": np.zeros(200)})
    scored.room.put(registry.key(version, PREDICTIONS), words.pack())
    said = reasons(scored)
    assert "Drift of predictions, prediction: it is a number, in the reference a category. " in " ".join(said)
    assert "Drift of predictions, probability_yes: it vanished; the reference has it." in " ".join(said)


def _words(column: Any) -> Any:
    return np.array(column.values())
