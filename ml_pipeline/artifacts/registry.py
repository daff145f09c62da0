"""Models by version, and the promotion log that says which one is champion.

The log is append-only: entry n+1 is created only if it is absent, so of two promotions at once one wins and the other
is told.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import Artifact
from ml_pipeline.errors import IntegrityError, NotFoundError, StageError
from ml_pipeline.templates import Parameters

T = TypeVar("T")
PARAMETERS, MODEL, METRICS = "parameters.yaml", "model.yaml", "metrics.yaml"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is: `model.yaml`, written after the parameters, so a model is visible only when whole.

    Every key is written, the digest last: a file that was cut off does not pass for a whole one.
    """

    version: str
    model: str
    system_version: str
    as_of: str
    rows: int
    seed: int
    snapshots: list[str]
    made_from: dict[str, Any]
    system: dict[str, Any]
    synthetic: list[str]
    parameters_sha256: str


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the log: `to` became champion in place of `previous`."""

    number: int
    to: str
    previous: str
    actor: str
    reason: str
    run: str
    as_of: str
    evidence: str


class Registry:
    """The models of one use case."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, model: Model, content: bytes) -> None:
        """Store a model: its parameters first, its description last."""
        self.store.put(self.key(model.version, PARAMETERS), content)
        self.store.put(self.key(model.version, MODEL), plain_yaml.dump(msgspec.to_builtins(model)))

    def has(self, version: str) -> bool:
        """Whether a model is stored, whole."""
        return self.store.exists(self.key(version, MODEL))

    def model(self, version: str) -> Model:
        """A model's description.

        Raises:
            NotFoundError: there is no such model.
        """
        try:
            content = self.store.get(self.key(version, MODEL))
        except NotFoundError as error:
            raise NotFoundError(
                "there is no such model", given=version, do="`ml-pipeline models list` names those there are"
            ) from error
        return _typed(content, Model, self.store.address(self.key(version, MODEL)))

    def parameters(self, version: str) -> Parameters:
        """A model's parameters, proved to be those that training stored."""
        key = self.key(version, PARAMETERS)
        content = self.store.verified(key, self.model(version).parameters_sha256)
        return parameters_file.load(content, self.store.address(key))

    def artifact(self, version: str) -> Artifact:
        """How results refer to a model."""
        key = self.key(version, PARAMETERS)
        return Artifact("model", self.store.address(key), key, self.model(version).parameters_sha256)

    def metrics(self, version: str) -> dict[str, Any]:
        """What evaluation found; empty before it."""
        key = self.key(version, METRICS)
        try:
            found: dict[str, Any] = plain_yaml.load(self.store.get(key), self.store.address(key))
        except NotFoundError:
            return {}
        return found

    def versions(self) -> list[str]:
        """All versions that are stored, whole, in no meaningful order."""
        return [key.split("/")[1] for key in self.store.keys("models/") if key.endswith(f"/{MODEL}")]

    def promotions(self) -> list[Promotion]:
        """The whole log, oldest first."""
        return [self._entry(number) for number in self._numbers()]

    def last_promotion(self) -> Promotion | None:
        """The entry that counts."""
        numbers = self._numbers()
        return self._entry(numbers[-1]) if numbers else None

    def champion(self) -> str:
        """The version of the champion; empty while there is none."""
        last = self.last_promotion()
        return last.to if last else ""

    def promote(self, entry: Promotion) -> None:
        """Append an entry.

        Raises:
            StageError: another promotion was first, or the entry is not the next one.
        """
        if entry.number != len(self._numbers()) + 1 or not self._append(entry):
            raise StageError(
                "another promotion came first",
                given=f"{entry.to} as entry {entry.number}",
                expected=f"the log to end with entry {entry.number - 1}",
                do="evaluate again, against the new champion",
            )

    @staticmethod
    def key(version: str, name: str) -> str:
        """Where a file of a model lies."""
        return f"models/{version}/{name}"

    def _append(self, entry: Promotion) -> bool:
        """Whether the log now holds the entry; also where an answer was lost, and asking again found it written."""
        key, content = _promotion_key(entry.number), plain_yaml.dump(msgspec.to_builtins(entry))
        return self.store.create(key, content) or self.store.get(key) == content

    def _numbers(self) -> list[int]:
        stems = [key.rpartition("/")[2].removesuffix(".yaml") for key in self.store.keys("promotions/")]
        numbers = sorted(int(stem) for stem in stems if stem.isdigit())
        if numbers != list(range(1, len(numbers) + 1)):
            raise IntegrityError(
                "the promotion log has a gap",
                given=", ".join(map(str, numbers)),
                expected="entries 1, 2, 3, …",
                do="restore the missing entry",
            )
        return numbers

    def _entry(self, number: int) -> Promotion:
        key = _promotion_key(number)
        return _typed(self.store.get(key), Promotion, self.store.address(key))


def _typed(content: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(plain_yaml.load(content, where), kind)
    except msgspec.ValidationError as error:
        raise IntegrityError(
            f"this is no {kind.__name__.lower()}",
            given=f"{where}: {error}",
            expected="the file as it was written",
            do="restore it",
        ) from error


def _promotion_key(number: int) -> str:
    return f"promotions/{number:06d}.yaml"
