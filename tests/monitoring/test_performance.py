"""What is said of predictions that have come true or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml_pipeline.models.evaluation import Rules
from ml_pipeline.monitoring.performance import Made, Maturity, Outcome, daily, findings, measured, table

RULES = Rules({}, {}, 50, 0)


def outcome(rows: int, skill: float, seed: int = 1) -> Outcome:
    """Labels, and probabilities that know something of them."""
    chance = np.random.default_rng(seed)
    y = (chance.random(rows) < 0.3).astype(np.float64)
    p = 1 / (1 + np.exp(1.0 - skill * (y - 0.3) - chance.normal(size=rows)))
    return Outcome(y, p, {}, "probability", ())


def then(value: float, low: float, high: float) -> dict[str, Any]:
    """A metrics.yaml."""
    return {"metrics": {"roc_auc": {"value": value, "low": low, "high": high}}}


def said(skill: float, promised: dict[str, Any], **floors: float) -> list[tuple[str, str]]:
    return [tuple(found) for found in findings(measured(outcome(3000, skill), RULES), promised, floors)]


def test_as_good_as_promised_is_ok() -> None:
    own = measured(outcome(3000, 2.0), RULES)["metrics"]["roc_auc"]
    ((severity, sentence),) = said(2.0, then(own["value"], own["low"], own["high"]))
    assert severity == "ok"
    assert sentence.startswith(f"roc_auc is {own['value']:.4f} (")


def test_clearly_worse_asks_to_act_and_says_what_to_do() -> None:
    ((severity, sentence),) = said(0.5, then(0.95, 0.94, 0.96))
    assert severity == "act"
    assert sentence.endswith("clearly worse. Train again, or go back to the model before it.")


def test_perhaps_worse_is_to_be_watched() -> None:
    own = measured(outcome(3000, 1.0), RULES)["metrics"]["roc_auc"]
    promised = (own["value"] + own["high"]) / 2
    ((severity, sentence),) = said(1.0, then(promised + 0.01, promised, promised + 0.02))
    assert (severity, sentence.rpartition(": ")[2]) == ("watch", "perhaps worse.")


@pytest.mark.parametrize(("floor", "expected"), [(0.5, "ok"), (0.99, "act")])
def test_floors_count_for_what_came_true_too(floor: float, expected: str) -> None:
    ((severity, _),) = said(2.0, {}, roc_auc=floor)
    assert severity == expected


def test_where_smaller_is_better_larger_is_worse() -> None:
    ((severity, _),) = said(2.0, {}, log_loss=0.01)
    assert severity == "act"
    ((severity, _),) = said(2.0, {}, log_loss=9.0)
    assert severity == "ok"


def test_a_line_a_day_that_counts_only_what_is_known() -> None:
    own = outcome(900, 2.0)
    days = np.repeat(np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "datetime64[D]"), 400)
    known = np.zeros(1200, np.bool_)
    known[:400] = known[400:700] = known[800:1000] = True
    p = np.zeros(1200)
    p[known] = own.p
    lines = list(daily(Made(days, known, p), own, Maturity(250, 0.9), 0))
    assert [(line["predicted"], line["known"], line["state"]) for line in lines] == [
        (400, 400, "mature"),
        (400, 300, "immature"),
        (400, 200, "not enough data"),
    ]
    assert lines[1]["roc_auc"] == pytest.approx(roc_auc_score(own.y[400:700], own.p[400:700]))
    assert np.isnan(lines[2]["roc_auc"])
    assert lines[1]["mean_prediction"] == pytest.approx(p[400:800].mean())
    assert lines[1]["mean_label"] == pytest.approx(own.y[400:700].mean())
    columns = table([{"model_version": "m", **line} for line in lines])
    assert [*columns][:5] == ["day", "model_version", "state", "predicted", "known"]
    assert np.asarray(columns["log_loss_low"]).shape == (3,)


def test_labels_that_are_all_the_same_tell_nothing() -> None:
    own = Outcome(np.zeros(300), np.full(300, 0.1), {}, "probability", ())
    (found,) = findings(measured(own, RULES), then(0.7, 0.69, 0.71), {"roc_auc": 0.6})
    assert found.severity == "not enough data"
    assert found.sentence == "roc_auc cannot be measured on these rows, whose labels are all the same."
