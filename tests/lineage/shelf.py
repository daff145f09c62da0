"""Models, verdicts and entries of a log that are made up."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.artifacts.promotion_log import Promotion
from ml_pipeline.artifacts.registry import METRICS, Model, Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import StageResult, run_key

COMPONENTS = {"source": {}, "configuration": {"sources": {}}, "dependencies": {}}


class Shelf:
    """Puts models, verdicts and entries where they belong."""

    def __init__(self, folder: Path) -> None:
        self.registry = Registry(Store(str(folder)))

    def model(self, version: str, parameters: dict[str, Any] | None = None, **values: Any) -> Model:
        """A model with parameters, and whatever else is said of it."""
        content = parameters_file.dump({"estimator": parameters or {}}, "Late")
        known = {"model": "models.Late", "system_version": "s", "as_of": "2024-02-01T00:00:00+00:00", "rows": 3}
        known |= {"seed": 0, "snapshots": [], "made_from": {}, "synthetic": [], "system": COMPONENTS}
        digest = hashlib.sha256(content).hexdigest()
        model = Model(version=version, parameters_sha256=digest, **{**known, **values})
        self.registry.add(model, content)
        return model

    def evaluated(self, version: str, finished: str = "", **found: Any) -> None:
        """A verdict, and the result of the stage where it says when."""
        content = {"metrics": {}, "verdict": {"passed": True, "reasons": []}, **found}
        self.registry.store.put(self.registry.key(version, METRICS), plain_yaml.dump(content))
        if finished:
            result = {
                "use_case": "parcels", "mode": "offline", "stage": "evaluate", "run_id": version, "attempt": "1",
                "as_of": "2024-02-01T00:00:00Z", "status": "done", "system_version": "s", "finished": finished,
                "model_version": version,
            }  # fmt: skip
            written = msgspec.json.encode(msgspec.convert(result, StageResult))
            self.registry.store.put(run_key(version, "evaluate"), written)

    def log(self, *entries: tuple[str, str]) -> list[Promotion]:
        """Kind and version of every entry, in order."""
        written = []
        for number, (kind, version) in enumerate(entries, 1):
            previous = entries[number - 2][1] if number > 1 else ""
            promotion = {
                "number": number,
                "to": version,
                "previous": previous,
                "actor": "gate",
                "reason": "",
                "run": "",
            }
            promotion |= {"as_of": "", "evidence": "", "at": f"2024-01-01T00:00:{number:02d}+00:00", "kind": kind}
            written.append(self.registry.promote(msgspec.convert(promotion, Promotion)))
        return written
