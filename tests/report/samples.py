"""Facts small enough to read, of a use case that does not exist."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from ml_pipeline.columns import Category, Column
from ml_pipeline.config import Card, Evaluate, SourceConfig, UseCaseConfig
from ml_pipeline.data.profile import Profile
from ml_pipeline.models.curves import curves
from ml_pipeline.models.evaluation import Rules, Scored, measure
from ml_pipeline.report.facts import Facts
from ml_pipeline.templates import Predicts

HOSTILE = "<script>alert('1')</script>\"&"
GRAPH = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 80"><text y="20">train</text></svg>'
ROWS = 900
CONFIG = UseCaseConfig(
    name="parcels",
    question="Will this parcel be late?",
    key="parcel",
    time="sent",
    label="late",
    model="models.Late",
    sources={"parcels": SourceConfig(prepare="models.Prepare", reader="sources.parcels", drives=True)},
    postprocess="models.Risk",
    evaluate=Evaluate(slices=["depot"], floors={"roc_auc": 0.6}, slice_floors={"roc_auc": 0.99}, replicates=20),
    card=Card(intended_use="Planning.", label="Two days or more.", limits=["Not for letters."]),
)
PARAMETERS: dict[str, Any] = {
    "features": [],
    "estimator": {
        "bias": -1.0,
        "ridge": 1.0,
        "coefficients": {
            "weight": 0.5,
            "depot": {"north": 0.25, "south": -0.25},
            "age_of_van": [0.125, -0.0625, 0.03125],
            "notes": np.array([0.0, 0.75, -0.5]),
        },
        "standard_errors": {
            "bias": 0.1,
            "coefficients": {
                "weight": 0.1,
                "depot": {"north": 0.0, "south": 0.1},
                "age_of_van": [0.01, 0.01, 0.01],
                "notes": np.array([0.1, 0.1, 0.1]),
            },
        },
        "fit": {"rows": 5000, "iterations": 6, "converged": True, "note": ""},
    },
}
BY_CLASS: dict[str, Any] = {
    "features": [],
    "estimator": {
        "classes": ["letter", "parcel", "pallet"],
        "bias": {"letter": 0.5, "parcel": 0.25, "pallet": -0.75},
        "coefficients": {
            "letter": {"weight": -0.5, "depot": {"north": 0.25, "south": -0.25}},
            "parcel": {"weight": 0.125, "depot": {"north": 0.0, "south": 0.0625}},
            "pallet": {"weight": 0.375, "depot": {"north": -0.25, "south": 0.1875}},
        },
        "standard_errors": {
            "bias": {"letter": 0.1, "parcel": 0.1, "pallet": 0.1},
            "coefficients": {"letter": {"weight": 0.1}, "parcel": {"weight": 0.1}, "pallet": {"weight": 0.1}},
        },
    },
}
MODEL: dict[str, Any] = {
    "version": "0123456789abcdef",
    "model": "models.Late",
    "system_version": "f" * 64,
    "as_of": "2024-03-01T00:00:00+00:00",
    "rows": 5000,
    "seed": 7,
    "snapshots": ["a" * 64, "b" * 64],
    "made_from": {"train": "c" * 64, "validation": "d" * 64},
    "system": {"source": {"parcels/models.py": "1"}, "configuration": {}, "dependencies": {"numpy": "2.2"}},
    "synthetic": [],
}


FLOORS = {"probability": "roc_auc", "number": "r2", "count": "calibration_ratio", "class": "accuracy"}
"""A metric of each kind of prediction; of 0.6 it is kept in all and, of 0.99, in no slice."""
CLASSES = ("letter", "parcel", "pallet")


def labels(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    p = chance.random(ROWS)
    return (chance.random(ROWS) < p).astype(float), p


def measured(y: np.ndarray, predictions: dict[str, np.ndarray], words: tuple[str, ...] = ("north", "south")) -> Any:
    """What an evaluation stores; the last of `words` is a slice of five rows."""
    return stored(Scored(y, predictions, parted(len(y), words)))


def parted(rows: int, words: tuple[str, ...]) -> dict[str, Column]:
    """Slices of rows in turn, the last of five rows."""
    codes = np.arange(rows) % max(len(words) - 1, 1)
    codes[:5] = len(words) - 1
    return {"depot": Category(codes.astype(np.int32), words)} if words else {}


def stored(scored: Scored, rules: Rules | None = None) -> dict[str, Any]:
    """metrics.yaml of some predictions."""
    return {
        "champion": "fedcba9876543210" if "champion" in scored.predictions else "",
        "synthetic": [],
        **measure(scored, rules or Rules(CONFIG.evaluate.floors, CONFIG.evaluate.slice_floors, 20, 0)),
        "curves": curves(scored),
    }


def scored_as(predicts: Predicts, rows: int = ROWS, seed: int = 0) -> Scored:
    """Made-up labels of a kind, what predicts them well, and a champion that does so less."""
    chance = np.random.default_rng(seed)
    score, slices = chance.normal(size=rows), parted(rows, ("north", "south", "west"))
    off = chance.normal(size=rows)
    if predicts == "number":
        y = 20_000.0 + 5_000.0 * (score + chance.normal(size=rows) / 2)
        return Scored(y, {"candidate": 20_000.0 + 5_000.0 * score, "champion": y + 4_000.0 * off}, slices, predicts)
    if predicts == "count":
        expected = np.exp(score / 2)
        y = chance.poisson(expected).astype(np.float64)
        return Scored(y, {"candidate": expected, "champion": expected * np.exp(off / 2)}, slices, predicts)
    if predicts == "class":
        p, worse = (
            _shares(np.outer(own, (2.0, 0.0, -2.0)) + np.array((0.0, 0.5, 0.0))) for own in (score, (score + off) / 2)
        )
        y = (p.cumsum(axis=1) < chance.random((rows, 1))).sum(axis=1).astype(np.float64)
        return Scored(y, {"candidate": p, "champion": worse}, slices, predicts, CLASSES)
    p = 1.0 / (1.0 + np.exp(-score))
    return Scored((chance.random(rows) < p).astype(np.float64), {"candidate": p, "champion": p[::-1]}, slices)


def _shares(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def facts_of(predicts: Predicts) -> Facts:
    """All that is known of a model that predicts this, with a champion and floors."""
    metric = FLOORS[predicts]
    evaluate = Evaluate(
        slices=["depot"], floors={metric: 0.6}, slice_floors={metric: 0.01 if predicts == "count" else 0.99}
    )
    found = stored(scored_as(predicts), Rules(evaluate.floors, evaluate.slice_floors, 20, 0))
    config = msgspec.structs.replace(CONFIG, evaluate=evaluate)
    return facts(metrics=found, config=config, parameters=BY_CLASS if predicts == "class" else PARAMETERS)


def facts(**changed: Any) -> Facts:
    """All that is known of a model, with a champion; `changed` by the names of the fields."""
    y, p = labels()
    weight = np.where(p < 0.1, np.nan, p * 20)
    sent = np.array(["2024-01-01", "2024-02-01"], "datetime64[us]").repeat(ROWS // 2)
    own = Profile.of(
        {"weight": weight, "depot": Category.of(["north", "south", None] * (ROWS // 3)), "sent": sent}
    ).described()
    return Facts(
        model=MODEL,
        metrics=measured(y, {"candidate": p, "champion": p[::-1]}),
        parameters=PARAMETERS,
        profile=own,
        config=CONFIG,
        graph=GRAPH,
    )._replace(**changed)
