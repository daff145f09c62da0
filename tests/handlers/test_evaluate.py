"""Candidate and champion on the same unseen rows, and a verdict with its reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.discovery import find
from ml_pipeline.errors import ConfigError, SchemaError
from ml_pipeline.models.evaluation import JUDGES
from ml_pipeline.models.metric import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from tests.conftest import Parcels

LOOSE = {"evaluate.floors": {}}


def _change_model(parcels: Parcels) -> None:
    parcels.replace("models.py", "ridge=(100.0, 1.0)", "ridge=(3.0, 1.0)")


def test_the_metrics_are_those_of_the_stored_model_on_the_test_rows(champion: Parcels) -> None:
    results = champion.run("offline")
    rows = champion.dataset(results, "test").columns()
    parameters = champion.registry.parameters(results["train"].model_version)
    y, p = np.asarray(rows["late"]), find("parcels").load("models.LateModel").transform(rows, parameters)
    found = {name: metric["value"] for name, metric in results["evaluate"].metrics.items()}
    assert found["roc_auc"] == pytest.approx(roc_auc_score(y, p))
    assert found["average_precision"] == pytest.approx(average_precision_score(y, p))
    assert found["log_loss"] == pytest.approx(log_loss(y, p))
    assert found["brier"] == pytest.approx(brier_score_loss(y, p))


def test_what_was_found_stands_beside_the_model(champion: Parcels) -> None:
    result = champion.run("offline")["evaluate"]
    found = champion.registry.metrics(result.model_version)
    assert found["metrics"] == result.metrics
    assert found["verdict"] == result.verdict == {
        "passed": True,
        "reasons": [
            f"roc_auc is {result.metrics['roc_auc']['value']:.4f}, within its floor of at least 0.6.",
            "There is no other champion to compare with, so the floors alone decide.",
        ],
    }  # fmt: skip
    (verdict,) = result.artifacts
    assert plain_yaml.load(champion.room.get(verdict.key)) == found


def test_slices_part_the_test_rows(champion: Parcels) -> None:
    found = champion.registry.metrics(champion.registry.champion())
    assert {*found["slices"]["depot"]} == {"north", "south", "west"}
    assert sum(own["rows"] for own in found["slices"]["depot"].values()) == found["rows"]


def test_a_new_candidate_is_compared_with_the_champion(champion: Parcels) -> None:
    _change_model(champion)
    found = champion.registry.metrics(champion.run("offline")["evaluate"].model_version)
    assert found["champion_metrics"]["roc_auc"]["value"] == pytest.approx(0.84, abs=0.02)
    difference = found["metrics"]["roc_auc"]["value"] - found["champion_metrics"]["roc_auc"]["value"]
    assert found["difference"]["roc_auc"]["value"] == pytest.approx(difference)
    assert found["verdict"]["reasons"][-1].startswith("Against the champion roc_auc differs by ")


def test_a_candidate_that_is_clearly_worse_than_the_champion_is_rejected(champion: Parcels) -> None:
    champion.replace("models.py", "LogisticRegression(ridge=", 'LogisticRegression("floor", ridge=')
    results = champion.run("offline", parameters=LOOSE)
    assert not results["evaluate"].verdict["passed"]
    assert results["evaluate"].verdict["reasons"][-1].endswith(": worse.")
    assert results["promote"].status == "skipped"
    assert len(champion.registry.promotions()) == 1


def test_a_champion_that_todays_code_cannot_score_is_left_out_with_a_note(champion: Parcels) -> None:
    champion.replace("models.py", 'Levels("depot", "tier", rare=5)', 'Levels("tier", rare=5)')
    champion.replace("models.py", 'Impute("weight", "speed", "floor", "recent_late"), ', 'Impute("speed"), ')
    champion.replace("models.py", "Standardise())", ")")
    result = champion.run("offline", parameters=LOOSE)["evaluate"]
    assert result.notes
    assert result.notes[0].startswith("The champion cannot be scored by this version of LateModel (")
    assert result.notes[0].endswith("only floors count.")
    assert champion.registry.metrics(result.model_version)["champion_metrics"] == {}


def test_it_is_judged_again_when_the_champion_is_another(champion: Parcels) -> None:
    rejected = {"evaluate.floors": {"roc_auc": 0.99}}
    first = champion.run("offline", parameters=rejected)["evaluate"]
    assert champion.run("offline", parameters=rejected)["evaluate"].status == "reused"
    _change_model(champion)
    champion.run("offline", parameters=LOOSE)
    champion.replace("models.py", "ridge=(3.0, 1.0)", "ridge=(100.0, 1.0)")
    again = champion.run("offline", parameters=rejected)["evaluate"]
    assert (again.model_version, again.status) == (first.model_version, "done")


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"evaluate.slices": ["city"]}, SchemaError, "evaluate.slices names a column that is not there"),
        ({"evaluate.floors": {"auc": 0.5}}, ConfigError, "auc is no metric, so it can have no floor"),
    ],
)
def test_a_slice_or_floor_that_is_none_is_named(
    champion: Parcels, parameters: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        champion.run("offline", parameters=parameters)


def test_a_slice_that_is_clearly_below_its_floor_rejects_the_candidate(champion: Parcels) -> None:
    asked = {"split.test": "20d", "evaluate.slice_floors": {"roc_auc": 0.99}}
    verdict = champion.run("offline", parameters=asked)["evaluate"].verdict
    assert verdict
    assert not verdict["passed"]
    below = [reason for reason in verdict["reasons"] if reason.startswith("Where depot is ")]
    assert len(below) >= 1
    assert all(reason.endswith("outside its floor of at least 0.99.") for reason in below)


def test_a_slice_that_chance_may_have_put_below_its_floor_does_not(champion: Parcels) -> None:
    first = champion.run("offline", parameters={"split.test": "20d", "split.validation": "5d"})["evaluate"]
    found = champion.registry.metrics(first.model_version)["slices"]["depot"]
    lowest = min(own["roc_auc"]["value"] for own in found.values() if "roc_auc" in own)
    asked = {"split.test": "20d", "split.validation": "5d", "evaluate.slice_floors": {"roc_auc": lowest + 1e-4}}
    verdict = champion.run("offline", parameters=asked)["evaluate"].verdict
    assert verdict
    assert verdict["passed"]
    judged = sum("roc_auc" in own for own in found.values())
    kept = [reason for reason in verdict["reasons"] if reason.startswith(f"roc_auc of {judged} slices")]
    assert len(kept) == 1
    small = len(found) - judged
    assert (f"{small} smaller ones are too few rows to judge." in kept[0]) == bool(small)


def test_the_evidence_of_a_promotion_outlives_later_evaluations(champion: Parcels) -> None:
    (entry,) = champion.registry.promotions()
    key = f"models/{entry.to}/evidence/{entry.evidence[:16]}.yaml"
    before = champion.room.verified(key, entry.evidence)
    champion.run("offline", force=True, parameters={"evaluate.replicates": 40})
    champion.run("offline", force=True)
    assert champion.room.get(key) == before


LABELS = {
    "LinearRegression(ridge=": ("delay", "number", "rmse"),
    "PoissonRegression(ridge=": ("np.floor(np.maximum(delay, 0) / 20)", "count", "deviance"),
    'SoftmaxRegression(classes=("0", "1", "2"), ridge=': ("(delay >= 30) * (1.0 + (weight > 5))", "class", "log_loss"),
}


def _predicting(parcels: Parcels, estimator: str) -> None:
    """The same use case with a label and an estimator of another kind."""
    label, _, decides = LABELS[estimator]
    parcels.replace("models.py", "def late(delay: Floats)", "def late(delay: Floats, weight: Floats)")
    parcels.replace("models.py", "delay >= 30)", f"{label})")
    parcels.replace("models.py", "LogisticRegression(ridge=", estimator)
    parcels.replace("models.py", "Levels, LogisticRegression,", f"Levels, {estimator.partition('(')[0]},")
    parcels.replace("pipeline.yaml", "floors: {roc_auc: 0.6}", f"slice_floors: {{{decides}: 1000.0}}")


@pytest.mark.parametrize("estimator", LABELS)
def test_amounts_counts_and_classes_are_judged_from_end_to_end(
    parcels: Parcels, command: Callable[..., Result], estimator: str
) -> None:
    _predicting(parcels, estimator)
    assert parcels.run("offline")["promote"].status == "done"
    parcels.replace("models.py", "ridge=(100.0, 1.0)", "ridge=(3.0, 1.0)")
    results = parcels.run("offline")
    found = parcels.registry.metrics(results["evaluate"].model_version)
    rows = parcels.dataset(results, "test").columns()
    model = find("parcels").load("models.LateModel")
    parameters = parcels.registry.parameters(results["train"].model_version)
    y, p = model.labels(parameters, rows["late"]), model.transform(rows, parameters)
    exact = JUDGES[model.estimator.predicts].of(y, p).metrics(np.ones(len(y)))
    assert {name: own["value"] for name, own in found["metrics"].items()} == pytest.approx(exact)
    _, predicts, decides = LABELS[estimator]
    assert (found["predicts"], list(found["difference"])) == (predicts, list(exact))
    assert found["verdict"]["reasons"][0].startswith(f"{decides} of ")
    assert found["verdict"]["reasons"][1].startswith(f"Against the champion {decides} differs by ")
    report = parcels.room.get(f"models/{results['evaluate'].model_version}/report.html").decode()
    assert "Candidate and champion on the same test rows" in report
    for asked in (("summary",), ("models", "list")):
        seen = command(*asked, "parcels", "--store", parcels.store).stdout
        assert decides in seen
        assert shown(found["metrics"][decides]) in seen


def test_a_champion_may_know_its_classes_in_another_order(parcels: Parcels) -> None:
    _predicting(parcels, next(name for name in LABELS if name.startswith("Softmax")))
    parcels.run("offline")
    parcels.replace("models.py", '("0", "1", "2")', '("2", "0", "1")')
    found = parcels.registry.metrics(parcels.run("offline")["evaluate"].model_version)
    assert found["classes"] == ["2", "0", "1"]
    assert {name: own["value"] for name, own in found["champion_metrics"].items()} == pytest.approx(
        {name: own["value"] for name, own in found["metrics"].items()}, abs=1e-6
    )


def test_a_floor_of_another_kind_of_prediction_is_named(champion: Parcels) -> None:
    with pytest.raises(ConfigError, match=r"no metric of this model's predictions. Given: rmse. Expected: roc_auc, "):
        champion.run("offline", parameters={"evaluate.floors": {"rmse": 3.0}})
