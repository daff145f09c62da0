"""A label of several words, from its file to the table that people use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from click.testing import Result

from ml_pipeline.columns import Category
from ml_pipeline.errors import FitError
from tests.conftest import AS_OF, Parcels

HOW_LATE = """def late(delay: Floats) -> Category:
    return Category(np.where(np.isnan(delay), -1, np.searchsorted((6, 45), delay)).astype(np.int32), CLASSES)
"""
CLASSES = ("in time", "late", "very late")


@pytest.fixture
def by_class(parcels: Parcels) -> Parcels:
    """Parcels that are in time, late or very late."""
    parcels.replace(
        "models.py",
        "\n\ndef late(delay: Floats) -> Floats:",
        f"\n\nCLASSES = {CLASSES!r}\n\n\n{HOW_LATE}\n\ndef _was(delay: Floats) -> Floats:",
    )
    parcels.replace(
        "models.py", "LogisticRegression(ridge=(100.0, 1.0))", "SoftmaxRegression(classes=CLASSES, ridge=(100.0, 1.0))"
    )
    parcels.replace("models.py", "LogisticRegression,", "SoftmaxRegression,")
    parcels.replace(
        "models.py",
        'late_by_depot = RecentRate("depot", label="late"',
        'late_by_depot = RecentRate("depot", label="weight"',
    )
    parcels.replace("models.py", "prediction >= 0.5", "prediction.codes > 0")
    parcels.replace(
        "models.py",
        '"prediction", "model_version"',
        '"prediction", "probability", "probability_late", "speaks_for", "model_version"',
    )
    parcels.replace("pipeline.yaml", "roc_auc: 0.6", "log_loss: 1.05, macro_roc_auc: 0.6")
    return parcels


def test_every_parcel_gets_a_class_with_its_probability_its_rank_and_its_reasons(by_class: Parcels) -> None:
    offline = by_class.run("offline", parameters={"explain": 2})
    assert offline["evaluate"].verdict["passed"], offline["evaluate"].verdict
    assert by_class.registry.champion() == offline["train"].model_version
    online = by_class.run("online", parameters={"explain": 2})
    predicted = by_class.dataset(online, "predictions").columns()
    each = np.stack([np.asarray(predicted[f"probability_{name}"]) for name in CLASSES], axis=1)
    np.testing.assert_allclose(each.sum(axis=1), 1.0)
    assert isinstance(predicted["prediction"], Category)
    assert predicted["prediction"].values() == [CLASSES[place] for place in each.argmax(axis=1)]
    np.testing.assert_array_equal(predicted["probability"], each.max(axis=1))
    scored = by_class.dataset(online, "scored").columns()
    order = np.argsort(np.asarray(scored["rank"]))
    assert (np.diff(np.asarray(scored["probability"])[order]) <= 0.0).all()
    assert any("speed" in (said or "") for said in scored["speaks_for"].values())


def test_the_next_night_is_compared_with_the_champion_and_told_from_it(
    by_class: Parcels, command: Callable[..., Result]
) -> None:
    first = by_class.run("offline")
    again = by_class.run("offline", as_of=by_class.next_night)
    assert {"log_loss", "accuracy"} <= set(again["evaluate"].metrics)
    assert "log_loss" in " ".join(again["evaluate"].verdict["reasons"])
    versions = [night["train"].model_version for night in (first, again)]
    told = command("models", "diff", "parcels", *versions, "--store", by_class.store)
    assert told.exit_code == 0, told.output
    assert "bias.very late" in told.output or "very late." in told.output
    assert command("models", "show", "parcels", versions[0], "--store", by_class.store).exit_code == 0
    assert command("summary", "parcels", "--store", by_class.store).exit_code == 0


def test_a_word_that_is_no_class_stops_training_and_is_named(by_class: Parcels) -> None:
    by_class.replace("models.py", "SoftmaxRegression(classes=CLASSES", "SoftmaxRegression(classes=CLASSES[:2]")
    with pytest.raises(FitError, match="does not know every class") as refused:
        by_class.run("offline")
    assert "'very late'" in str(refused.value)


def test_the_columns_of_the_classes_are_there_for_whoever_validates_and_draws(
    by_class: Parcels, command: Callable[..., Result]
) -> None:
    by_class.replace("pipeline.yaml", "label: late\n", "label: late\nexplain: 2\n")
    told = command("validate", "parcels", "--store", by_class.store)
    assert told.exit_code == 0, told.output
    drawn = command("graph", "parcels", "--level", "models")
    assert drawn.exit_code == 0, drawn.output
    assert "prediction, probability and 2 more" in drawn.output


def test_a_model_of_other_classes_than_those_of_today_is_told_of_and_monitoring_goes_on(by_class: Parcels) -> None:
    explained = {"explain": 2}
    old = by_class.run("offline", parameters=explained)["train"].model_version
    by_class.run("online", parameters=explained)
    by_class.replace("models.py", "'very late')", "'lost')")
    days = by_class.next_night - AS_OF
    found = by_class.run("monitoring", as_of=AS_OF + 3 * days, parameters={"monitoring": {"least": 20}})["monitor"]
    assert found.verdict["reasons"][0].startswith(f"{old} predicted, but cannot be judged: ")
    assert found.verdict["severity"] == "watch"
