"""What a try of a task read and wrote, remembered for the event of it that OpenLineage's provider sends.

The provider asks in a copy of the worker's process, in which the store's client does not work, so all that is to be
told is found before. A place is named as OpenLineage's specification names it: a namespace (`s3://bucket`, `file`) and
a name in it (a key, a path).
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from ml_pipeline.contract import Artifact
from ml_pipeline.errors import PipelineError
from ml_pipeline_airflow.assets import PREDICTS_WITH_CHAMPION, STARTS_FROM_CHAMPION

if TYPE_CHECKING:
    from ml_pipeline.contract import StageResult
    from ml_pipeline_airflow.stage_task import Order

POSTGRES = ("postgresql", "postgres")
OBJECTS = ("s3", "gs", "az")
"""Schemes of object stores: any character may stand in a key, and credentials never stand in the address."""
FILE = ".yaml"
"""How the key of one file ends; others are folders of datasets, whose rows are counted."""


class Thing(NamedTuple):
    """A dataset, a model or the records of a source; of what was told of before only which it is."""

    namespace: str
    name: str
    use_case: str = ""
    called: str = ""
    digest: str = ""
    rows: int | None = None
    bytes: int | None = None
    columns: Mapping[str, str] = {}


class Lineage(NamedTuple):
    """What came in from elsewhere, what went out, and plain facts about the run."""

    inputs: tuple[Thing, ...]
    outputs: tuple[Thing, ...]
    facts: dict[str, Any]


def gather(order: Order, results: Sequence[StageResult] = ()) -> Lineage | None:
    """What is known of a try: at first the order alone, in the end what its steps left.

    None where the provider has nobody to tell, or is not there. Whatever goes wrong is logged and ends nothing.
    """
    if not _wanted():
        return None
    try:
        outputs = _distinct(_written(results))
        inputs = [artifact for uri, artifact in _distinct(_read(order, results)).items() if uri not in outputs]
        return Lineage(
            (*_sources(order), *_things(order, inputs)),
            tuple(_things(order, outputs.values(), describe=True)),
            _facts(order, results),
        )
    except Exception:
        logging.getLogger(__name__).exception("what the task read and wrote cannot be told")
        return None


def place(address: str) -> tuple[str, str] | None:
    """Namespace and name of what lies at an address; None where it cannot be told without perhaps telling a password.

    >>> place("postgresql://me:hush@host/trials"), place("https://host/v2/orders?key=hush")
    (('postgres://host:5432', 'trials'), ('https://host', 'v2/orders'))
    """
    scheme, slashes, rest = address.removeprefix("sqlite:").partition("://")
    if not slashes or scheme == "file":
        path = rest or scheme
        return ("file", path) if path.startswith("/") else None
    host, _, path = rest.partition("/")
    if scheme in OBJECTS:
        return None if ":" in host or "@" in host else (f"{scheme}://{host}", path or "/")
    before, *settings = re.split("[?#]", rest, maxsplit=1)
    host, _, path = before.partition("/")
    if "@" in path or "@" in "".join(settings):  # a password may hold any of / ? #
        return None
    host = host.rpartition("@")[2]
    if scheme in POSTGRES:
        scheme, host = "postgres", host if ":" in host else f"{host or 'localhost'}:5432"
    return f"{scheme}://{host}", path or "/"


def _wanted() -> bool:
    try:
        from airflow.providers.openlineage import conf
    except ImportError:
        return False
    return not conf.is_disabled()


def _written(results: Sequence[StageResult]) -> Iterator[Artifact]:
    """What is stored; the model that learning starts from was there before."""
    for result in results:
        for artifact in result.artifacts:
            if not artifact.passed and not _starts(artifact):
                yield artifact


def _read(order: Order, results: Sequence[StageResult]) -> Iterator[Artifact]:
    for result in results:
        yield from (artifact for artifact in result.reads if not artifact.passed)
        yield from filter(_starts, result.artifacts)
        if result.stage == PREDICTS_WITH_CHAMPION and result.model_version:
            yield _model(order, result.model_version)


def _distinct(artifacts: Iterable[Artifact]) -> dict[str, Artifact]:
    """By URI; of the names that one goes by the first."""
    found: dict[str, Artifact] = {}
    for artifact in artifacts:
        found.setdefault(artifact.uri, artifact)
    return found


def _starts(artifact: Artifact) -> bool:
    return artifact.name.partition(".")[0] == STARTS_FROM_CHAMPION


def _model(order: Order, version: str) -> Artifact:
    """The file that training told of as its output."""
    from ml_pipeline.artifacts.registry import PARAMETERS, Registry
    from ml_pipeline.artifacts.store import Store

    key = Registry.key(version, PARAMETERS)
    return Artifact("model", Store(order.request.store).within(order.request.use_case).address(key), key, "")


def _sources(order: Order) -> Iterator[Thing]:
    """The records that steps which read nothing stored fetch, where pipeline.yaml says where they are."""
    from ml_pipeline.discovery import find
    from ml_pipeline.stages import select

    asked = order.request
    use_case = find(asked.use_case, asked.parameters)
    for step in select(use_case.config, asked.mode, asked.stages):
        if step.reads or not step.source:
            continue
        if found := place(use_case.address(step.source, asked.store)):
            yield Thing(*found, asked.use_case, step.source)


def _things(order: Order, artifacts: Collection[Artifact], describe: bool = False) -> Iterator[Thing]:
    """Snapshots and what is prepared of them grow in number: of each name the newest alone is said more of than which
    it is, for those before it were told of before.
    """
    newest = {artifact.name: artifact.uri for artifact in artifacts}
    for artifact in artifacts:
        if not (found := place(artifact.uri)):
            continue
        if artifact.uri != newest[artifact.name]:
            yield Thing(*found, digest=artifact.digest)
        elif artifact.key.endswith(FILE):
            yield Thing(*found, order.request.use_case, artifact.name, artifact.digest)
        else:
            named = (*found, order.request.use_case, artifact.name)
            columns = _columns(order, artifact) if describe else {}
            yield Thing(*named, artifact.digest, artifact.rows, artifact.bytes, columns)


def _columns(order: Order, artifact: Artifact) -> Mapping[str, str]:
    """Columns of a dataset with their types, as its manifest says; none where it cannot be read."""
    from ml_pipeline.artifacts.datasets import open_dataset
    from ml_pipeline.artifacts.store import Store

    with suppress(PipelineError):
        return open_dataset(Store(order.request.store).within(order.request.use_case), artifact.key).manifest.columns
    return {}


def _facts(order: Order, results: Sequence[StageResult]) -> dict[str, Any]:
    verdicts = [result.verdict for result in results if result.verdict]
    return {
        "useCase": order.request.use_case,
        "mode": order.request.mode,
        "pipelineRun": order.request.run_id,
        "asOf": order.request.as_of.isoformat(),
        "steps": {result.stage: result.status for result in results},
        "systemVersion": next((result.system_version for result in results), ""),
        "modelVersion": next((result.model_version for result in reversed(results) if result.model_version), ""),
        "synthetic": sorted({source for result in results for source in result.synthetic}),
        "quarantined": dict(sum((Counter(result.quarantined) for result in results), Counter())),
        "verdict": verdicts[-1] if verdicts else None,
    }
