"""What a Handler is given: one step of one run, with the doors to the rooms it needs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ml_pipeline.artifacts.datasets import MANIFEST, Dataset, DatasetWriter, Reject, open_dataset
from ml_pipeline.artifacts.passing_store import PassingStore
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.versions import SystemVersion, fingerprint
from ml_pipeline.config import SEVERAL
from ml_pipeline.contract import Artifact, StageRequest, StageResult, run_key
from ml_pipeline.discovery import UseCase
from ml_pipeline.engines.local import LocalEngine
from ml_pipeline.errors import NotFoundError, QuarantineError, UsageError
from ml_pipeline.stages import Step, needs, steps


class StageRun:
    """Inputs by name, outputs under their fingerprints, and the counts that end in the stage's result."""

    def __init__(
        self, use_case: UseCase, step: Step, request: StageRequest, engine: LocalEngine, system: SystemVersion
    ) -> None:
        self.use_case, self.step, self.request, self.engine, self.system = use_case, step, request, engine, system
        self.config = use_case.config
        self.work_in(PassingStore(request.store, f"{self.config.name}/"))
        self.log = logging.getLogger(f"ml_pipeline.{step.name}")
        self.reads: list[Artifact] = []
        self.artifacts: list[Artifact] = []
        self.rows_in = 0
        self.quarantined: Counter[str] = Counter()
        self.metrics: dict[str, Any] = {}
        self.notes: list[str] = []
        self.verdict: dict[str, Any] | None = None
        self.model_version = ""
        self.synthetic: set[str] = set()
        self.reused = False

    def work_in(self, store: PassingStore) -> None:
        """Read and write here; in it, steps of one order pass data to each other."""
        self.store, self.registry = store, Registry(store)

    @property
    def online(self) -> bool:
        """Whether the run scores rather than trains."""
        return self.request.mode == "online"

    @property
    def learning(self) -> bool:
        """Whether the run goes on from the champion."""
        return self.request.mode == "learning"

    def inputs(self, name: str) -> list[Artifact]:
        """What the run's earlier stages left under a name, in order.

        Raises:
            UsageError: the stage that writes it has not run in this run.
        """
        found = [artifact for result in self._upstream() for artifact in result.artifacts if artifact.name == name]
        if not found:
            raise UsageError(
                f"{self.step.name} needs {name!r}, which this run has not made yet",
                given=f"run {self.request.run_id}",
                do="run the stages before it with the same --run-id, or leave out --stages",
            )
        self.reads += found
        return found

    def datasets(self, name: str) -> list[Dataset]:
        """The datasets left under a name."""
        found = [self._open(artifact) for artifact in self.inputs(name)]
        self.synthetic.update(source for dataset in found for source in dataset.manifest.made_from.get("synthetic", ()))
        return found

    def datasets_if_any(self, name: str) -> list[Dataset]:
        """The datasets left under a name; none where the step does not read it, or there are none."""
        try:
            return self.datasets(name) if name in self.step.reads else []
        except UsageError:
            return []

    def dataset(self, name: str) -> Dataset:
        """The one dataset left under a name."""
        return self.datasets(name)[0]

    def about(self, version: str) -> None:
        """The stage works with this model."""
        self.model_version = version
        self.synthetic.update(self.registry.model(version).synthetic)

    def other_code(self, version: str) -> list[str]:
        """Files of the use case that are not what they were when a model was made."""
        then, now = self.registry.model(version).system.get("source", {}), self.system.components["source"]
        folder = f"{self.use_case.folder.name}/"
        names = sorted(name for name in {*then, *now} if name.startswith(folder))
        return [name for name in names if then.get(name) != now.get(name) and name.endswith(".py")]

    def key(self, *made_from: Any) -> str:
        """The folder of a dataset that this step makes: a fingerprint of the system and what it is made from."""
        return "data/" + fingerprint([self.system.digest, self.step.name, made_from])[:32]

    def stored(self, key: str) -> Dataset | None:
        """The dataset if it was made before, by this run or any other; never, where the request forces the step."""
        if self.request.force or not self.store.exists(f"{key}/{MANIFEST}"):
            return None
        return open_dataset(self.store, key)

    def found(self, key: str, name: str = "") -> bool:
        """Whether a dataset was made before; if so it is recorded as an output."""
        dataset = self.stored(key)
        if dataset:
            self.left(dataset, name)
        return dataset is not None

    def writer(self, key: str, name: str, *more_names: str) -> DatasetWriter:
        """A writer of a dataset of this step, which may be left under more names than its own."""
        self.store.expect(key, {name, *more_names})
        return DatasetWriter(self.store, key, name, self.config.time)

    def finish(self, writer: DatasetWriter, made_from: Iterable[Dataset], **more: Any) -> Dataset:
        """Make what was written visible; in place of what is there, where the request forces the step.

        Where records were set aside, it is stored, so that they can be looked at.
        """
        if writer.quarantined:
            self.store.settle(writer.key)
        return writer.close(self._provenance(made_from, **more), replace=self.request.force)

    def _provenance(self, sources: Iterable[Dataset], **more: Any) -> dict[str, Any]:
        """What a manifest says of how its dataset was made."""
        made = list(sources)
        snapshots = {digest for dataset in made for digest in dataset.manifest.made_from.get("snapshots", [])}
        snapshots |= {dataset.manifest.digest for dataset in made if "snapshots" not in dataset.manifest.made_from}
        return {
            "step": self.step.name,
            "system_version": self.system.digest[:16],
            "inputs": [[dataset.manifest.name, dataset.manifest.digest] for dataset in made],
            "snapshots": sorted(snapshots),
            **({"synthetic": sorted(self.synthetic)} if self.synthetic else {}),
            **more,
        }

    def left(self, dataset: Dataset, name: str = "") -> None:
        """Record a dataset as an output of this step; what was set aside counts once, whatever names it goes by."""
        artifact = dataset.artifact()
        self.synthetic.update(dataset.manifest.made_from.get("synthetic", ()))
        if dataset.key not in {known.key for known in self.artifacts}:
            self.quarantined.update(dataset.manifest.quarantined)
        self.artifacts.append(msgspec.structs.replace(artifact, name=name) if name else artifact)

    def guard(self, rejected: Mapping[str, int], rows: int, example: Reject | None) -> None:
        """Stop where more records were set aside than the use case allows.

        Raises:
            QuarantineError: the share is exceeded.
        """
        bad, share = sum(rejected.values()), self.config.quarantine.share
        if bad >= SEVERAL and bad / rows > share:
            reasons = ", ".join(
                f"{reason} ({count:,})" for reason, count in sorted(rejected.items(), key=lambda item: -item[1])[:5]
            )
            raise QuarantineError(
                f"{self.step.name} would set aside {bad:,} of {rows:,} records ({bad / rows:.1%})",
                given=f"{reasons}; for example {example[1] if example else ''}"[:600],
                expected=f"at most {self.config.quarantine.at_most}",
                do="mend the source, or raise quarantine.at_most in pipeline.yaml",
            )

    def _open(self, artifact: Artifact) -> Dataset:
        try:
            return open_dataset(self.store, artifact.key)
        except NotFoundError as error:
            if not artifact.passed:
                raise
            raise UsageError(
                f"{self.step.name} needs {artifact.name!r}, which was passed on in memory and is gone",
                given=f"run {self.request.run_id}",
                do="order the service that makes it again, whole, with the same run id",
            ) from error

    def _upstream(self) -> list[StageResult]:
        results = []
        for step in needs(self.step, steps(self.config, self.request.mode)):
            try:
                content = self.store.get(run_key(self.request.run_id, step.name))
            except NotFoundError:
                continue
            results.append(msgspec.json.decode(content, type=StageResult))
        return results
