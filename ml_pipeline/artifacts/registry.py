"""Models by version, and which of them is champion."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.artifacts import plain_yaml, typed_yaml
from ml_pipeline.artifacts.promotion_log import READERS, Promotion, PromotionLog
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import Artifact
from ml_pipeline.data.profile import Profile, unpack
from ml_pipeline.errors import NotFoundError
from ml_pipeline.templates import Parameters

PARAMETERS, MODEL, METRICS = "parameters.yaml", "model.yaml", "metrics.yaml"
PROFILE, CARD, REPORT = "profile.yaml", "card.yaml", "report.html"
SKETCHES = "profile.msgpack"
"""The profile that later rows are compared with: of all that a model has learnt, what it went on from included."""
PREDICTIONS = "predictions.msgpack"
"""The profile of what a model predicted of its test rows; later predictions are compared with it."""
INDEX = "index/"
"""Folder of empty objects `as-of/version`: of thousands of models the newest are found without opening any."""
NEAR = (30, 365)
"""Days before a moment from which on the newest models are looked for, before all are."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is: `model.yaml`, written after the parameters, so a model is visible only when whole.

    `start` is the version of the model that it went on learning from, empty where it was trained from nothing: then
    `rows` and `made_from` tell of what it learnt itself, and `snapshots` are those of all models before it, too.
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
    start: str = ""
    parameters_sha256: str


class ModelAtAGlance(msgspec.Struct, frozen=True, kw_only=True):
    """Of a model's description what lists show of many; the digest proves that the file was not cut off."""

    version: str
    as_of: str
    rows: int
    synthetic: list[str]
    start: str
    parameters_sha256: str


class Registry:
    """The models of one use case."""

    def __init__(self, store: Store) -> None:
        self.store, self.log = store, PromotionLog(store)

    def add(self, model: Model, content: bytes) -> None:
        """Store a model: its parameters first, its description last."""
        self.store.put(self.key(model.version, PARAMETERS), content)
        self.store.put(f"{INDEX}{_stamp(model.as_of)}/{model.version}", b"")
        self.store.put(self.key(model.version, MODEL), typed_yaml.dump(model))

    def has(self, version: str) -> bool:
        """Whether a model is stored, whole."""
        return self.store.exists(self.key(version, MODEL))

    def model(self, version: str) -> Model:
        """A model's description.

        Raises:
            NotFoundError: there is no such model.
        """
        return typed_yaml.load(self._described(version), Model, self.store.address(self.key(version, MODEL)))

    def at_a_glance(self, version: str) -> ModelAtAGlance:
        """What lists show of a model, in a tenth of the time that its whole description takes.

        Raises:
            NotFoundError: there is no such model.
        """
        content = plain_yaml.cut(self._described(version), ModelAtAGlance.__struct_fields__)
        return typed_yaml.load(content, ModelAtAGlance, self.store.address(self.key(version, MODEL)))

    def parameters(self, version: str) -> Parameters:
        """A model's parameters, proved to be those that training stored."""
        return parameters_file.load(self.proved(version), self.store.address(self.key(version, PARAMETERS)))

    def proved(self, version: str) -> bytes:
        """The content of a model's parameters.

        Raises:
            IntegrityError: it is not what training stored.
        """
        return self.store.verified(self.key(version, PARAMETERS), self.model(version).parameters_sha256)

    def artifact(self, version: str) -> Artifact:
        """How results refer to a model."""
        key = self.key(version, PARAMETERS)
        return Artifact("model", self.store.address(key), key, self.model(version).parameters_sha256)

    def is_evaluated(self, version: str) -> bool:
        """Whether a model is stored, whole, and has metrics."""
        return self.store.exists(self.key(version, METRICS)) and self.has(version)

    def metrics(self, version: str, only: Collection[str] = ()) -> dict[str, Any]:
        """What evaluation found, or only some of its parts; empty before it."""
        key = self.key(version, METRICS)
        try:
            content = self.store.get(key)
        except NotFoundError:
            return {}
        found: dict[str, Any] = plain_yaml.load(plain_yaml.cut(content, only) or content, self.store.address(key))
        return found

    def profile(self, version: str) -> Profile:
        """What the rows looked like that a model has learnt.

        Raises:
            NotFoundError: there is no such profile.
            IntegrityError: it is not what training stored.
        """
        return self._profile(version, SKETCHES)

    def predictions(self, version: str) -> Profile:
        """What a model predicted of its test rows, as the columns that predictions are stored as.

        Raises:
            NotFoundError: there is no such profile.
            IntegrityError: it is not what evaluation stored.
        """
        return self._profile(version, PREDICTIONS)

    def versions(self) -> list[str]:
        """All versions that are stored, whole, in no meaningful order."""
        return [key.split("/")[1] for key in self.store.keys("models/") if key.endswith(f"/{MODEL}")]

    def named(self, beginning: str = "") -> list[str]:
        """Folders of models whose names begin so, sorted: many are listed at once, and not all need be whole."""
        return [name for name in self.store.folders("models/") if name.startswith(beginning)]

    def by_as_of(self) -> list[tuple[str, str]]:
        """As-of and name of all folders of models, the newest first; no as-of of what is not whole."""
        listed = [tuple(key.split("/")[1:]) for key in self.store.keys(INDEX)]
        known = {version for _, version in listed}
        with ThreadPoolExecutor(READERS) as readers:
            others = list(readers.map(self._place, [name for name in self.named() if name not in known]))
        return sorted([*((as_of, version) for as_of, version in listed), *others], reverse=True)

    def newest(self, most: int, near: dt.datetime) -> list[tuple[str, str]]:
        """As `by_as_of`, but so many at most; of thousands only those about a moment or after it are listed."""
        for days in NEAR:
            listed = self.store.keys(INDEX, after=f"{INDEX}{_stamp((near - dt.timedelta(days)).isoformat())}")
            if len(listed) >= most:
                return sorted(((key.split("/")[1], key.split("/")[2]) for key in listed), reverse=True)[:most]
        return self.by_as_of()[:most]

    def promotions(self) -> list[Promotion]:
        """The whole log, oldest first."""
        return self.log.entries()

    def last_promotion(self) -> Promotion | None:
        """The entry that counts."""
        return self.log.last()

    def promotion_as_of(self, moment: dt.datetime) -> Promotion | None:
        """The entry that counted at a moment of the wall clock."""
        return self.log.as_of(moment)

    def champion(self) -> str:
        """The version of the champion; empty while there is none."""
        last = self.last_promotion()
        return last.to if last else ""

    def promote(self, entry: Promotion) -> Promotion:
        """Append an entry for a model that is whole, and return it as it was written.

        Raises:
            NotFoundError: there is no such model.
            IntegrityError: its parameters are not what training stored, or the log is not whole.
            StageError: another promotion was first, or the entry is not the next one.
        """
        self.proved(entry.to)
        return self.log.append(entry)

    @staticmethod
    def key(version: str, name: str) -> str:
        """Where a file of a model lies."""
        return f"models/{version}/{name}"

    def _described(self, version: str) -> bytes:
        try:
            return self.store.get(self.key(version, MODEL))
        except NotFoundError as error:
            raise NotFoundError(
                "there is no such model", given=version, do="`ml-pipeline models list` names those there are"
            ) from error

    def _profile(self, version: str, name: str) -> Profile:
        key = self.key(version, name)
        return unpack(self.store.get(key), self.store.address(key))

    def _place(self, version: str) -> tuple[str, str]:
        """As-of and version of a model from before there was an index."""
        try:
            return _stamp(self.model(version).as_of), version
        except NotFoundError:
            return "", version


def _stamp(as_of: str) -> str:
    """Names that sort as the moments do."""
    return dt.datetime.fromisoformat(as_of).astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")


# msgspec looks into a type when it first decodes one, and crashes where several threads are first at once: here is one.
msgspec.json.Decoder(Model)
msgspec.json.Decoder(ModelAtAGlance)
