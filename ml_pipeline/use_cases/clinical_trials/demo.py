"""What the demo needs: the sponsor's database, and the registry, where it answers."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ml_pipeline.use_cases.clinical_trials.seed import seed

AS_OF = "2024-07-01"
REGISTRY = "https://clinicaltrials.gov/api/v2"
STUDIES = f"{REGISTRY}/studies?query.cond=heart+failure"
"""A part of the registry that is pulled in a minute."""
SYNTHETIC = "synthetic:6000"
SECONDS = 3.0


def prepare() -> dict[str, Any]:
    """Write the sponsor's trials into the object store; parameters that say where past trials are."""
    seed(dt.date.fromisoformat(AS_OF))
    address = STUDIES if _answers() else SYNTHETIC
    return {"sources.now_health_data.address": address}


def _answers() -> bool:
    """Whether the registry is within reach."""
    import urllib3

    try:
        answer = urllib3.request("GET", f"{REGISTRY}/version", timeout=SECONDS, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200
