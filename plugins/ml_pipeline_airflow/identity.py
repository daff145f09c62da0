"""What a task's container is called, and what its labels say of whom it belongs to and what it does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from ml_pipeline_airflow.spec import StageSpec
    from ml_pipeline_airflow.stage_task import Order

LABEL = "ml-pipeline."
DAG, RUN, TASK, MAP_INDEX, TRY = (LABEL + name for name in ("dag", "run", "task", "map-index", "try"))
STORE, USE_CASE, ATTEMPT = LABEL + "store", LABEL + "use-case", LABEL + "attempt"
FINGERPRINT, SECRETS = LABEL + "fingerprint", LABEL + "secrets"
OWNER = (STORE, DAG, RUN, TASK, MAP_INDEX)
"""Labels that are the same for every try of a task instance, and together those of no other."""


class Identity(NamedTuple):
    """The name is the same for every try of a task instance, so the engine lets only one of them have a container."""

    name: str
    labels: Mapping[str, str]

    def owns(self, labels: Mapping[str, str]) -> bool:
        """Whether a container is of the same task instance."""
        return all(labels.get(key) == self.labels[key] for key in OWNER)

    def does_the_same(self, labels: Mapping[str, str]) -> bool:
        """Whether a container was given the same order, whichever try gave it."""
        return labels.get(FINGERPRINT) == self.labels[FINGERPRINT]

    def is_overtaken_by(self, labels: Mapping[str, str]) -> bool:
        """Whether a container is of a later try."""
        return int(labels[TRY]) > int(self.labels[TRY])


def identity(order: Order, spec: StageSpec, *, secrets: str = "") -> Identity:
    """What does the work of an order as its spec says, and may find its credentials in a folder of the machine.

    What a person has cleared is to be done again, so that counts for the fingerprint, too.
    """
    labels = _owner(order) | {
        TRY: str(order.context["ti"].try_number),
        USE_CASE: order.request.use_case,
        ATTEMPT: order.request.attempt,
        FINGERPRINT: _digest({**spec._asdict(), "cleared": order.context["dag_run"].clear_number or 0}),
        SECRETS: secrets,
    }
    return Identity(name(order), labels)


def name(order: Order) -> str:
    """Of the container of a task instance; a label of DNS, as services and pods must have it."""
    own = hashlib.sha256("\0".join(_owner(order).values()).encode()).hexdigest()[:12]
    said = f"{order.request.use_case}-{order.context['ti'].task_id}".lower()
    readable = re.sub("[^a-z0-9]+", "-", said)[:37].strip("-")
    return f"ml-pipeline-{readable}-{own}"


def _owner(order: Order) -> dict[str, str]:
    """Also where two Airflows share an engine."""
    ti = order.context["ti"]
    index = -1 if ti.map_index is None else ti.map_index
    return dict(zip(OWNER, (order.request.store, ti.dag_id, ti.run_id, ti.task_id, str(index)), strict=True))


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic", enc_hook=str)).hexdigest()[:16]
