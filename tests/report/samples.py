"""Facts small enough to read, of a use case that does not exist."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml_pipeline.columns import Category
from ml_pipeline.config import Card, Evaluate, SourceConfig, UseCaseConfig
from ml_pipeline.data.profile import profile
from ml_pipeline.models.curves import curves
from ml_pipeline.models.evaluation import Rules, Scored, measure
from ml_pipeline.report.facts import Facts

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


def labels(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    p = chance.random(ROWS)
    return (chance.random(ROWS) < p).astype(float), p


def measured(y: np.ndarray, predictions: dict[str, np.ndarray], words: tuple[str, ...] = ("north", "south")) -> Any:
    """What an evaluation stores; the last of `words` is a slice of five rows."""
    codes = np.arange(len(y)) % max(len(words) - 1, 1)
    codes[:5] = len(words) - 1
    slices = {"depot": Category(codes.astype(np.int32), words)} if words else {}
    rules = Rules(CONFIG.evaluate.floors, CONFIG.evaluate.slice_floors, 20, 0)
    return {
        "champion": "fedcba9876543210" if "champion" in predictions else "",
        "synthetic": [],
        **measure(Scored(y, predictions, slices), rules),
        "curves": {role: curves(y, p) for role, p in predictions.items()},
    }


def facts(**changed: Any) -> Facts:
    """All that is known of a model, with a champion; `changed` by the names of the fields."""
    y, p = labels()
    weight = np.where(p < 0.1, np.nan, p * 20)
    sent = np.array(["2024-01-01", "2024-02-01"], "datetime64[us]").repeat(ROWS // 2)
    own = profile({"weight": weight, "depot": Category.of(["north", "south", None] * (ROWS // 3)), "sent": sent})
    return Facts(
        model=MODEL,
        metrics=measured(y, {"candidate": p, "champion": p[::-1]}),
        parameters=PARAMETERS,
        profile=own,
        config=CONFIG,
        graph=GRAPH,
    )._replace(**changed)
