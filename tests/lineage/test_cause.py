"""Changing anything makes another model, and the cause is named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ml_pipeline.artifacts import versions
from ml_pipeline.lineage.cause import Cause, causes, system_causes
from ml_pipeline.lineage.difference import difference

if TYPE_CHECKING:
    from tests.conftest import Parcels

UNTIL_TRAIN = ("ingest", "prepare", "combine", "split", "train")
Change = Callable[["Parcels", pytest.MonkeyPatch], dict[str, Any]]


def _comment(parcels: Parcels, _: pytest.MonkeyPatch) -> dict[str, Any]:
    parcels.replace("models.py", "    return ~(weight < 0)", "    # never seen\n    return ~(weight < 0)")
    return {}


def _dependency(_: Parcels, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    installed = versions._installed()
    patch.setattr(versions, "_installed", lambda: {**installed, "numpy": "99.0"})
    return {}


def _key(*_: object) -> dict[str, Any]:
    return {"parameters": {"sources.traffic.join.tolerance": "4h"}}


def _image(*_: object) -> dict[str, Any]:
    return {"images": {"base": "sha256:1", "train": "sha256:3"}}


def _day(parcels: Parcels, _: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"as_of": parcels.as_of + dt.timedelta(days=1)}


@pytest.mark.parametrize(
    ("change", "kind", "name"),
    [
        (_comment, "source", "parcels/models.py"),
        (_dependency, "dependency", "numpy"),
        (_key, "configuration", "sources.traffic.join.tolerance"),
        (_image, "image", "train"),
        (_day, "snapshot", ""),
    ],
    ids=["comment", "dependency", "key", "image", "day"],
)
def test_each_cause_makes_another_version_and_is_named_alone(
    champion: Parcels, monkeypatch: pytest.MonkeyPatch, change: Change, kind: str, name: str
) -> None:
    before: dict[str, Any] = {"images": {"base": "sha256:1", "train": "sha256:2"}} if kind == "image" else {}
    old = champion.run("offline", *UNTIL_TRAIN, **before)["train"].model_version
    new = champion.run("offline", *UNTIL_TRAIN, **change(champion, monkeypatch))["train"].model_version
    assert new != old
    found = difference(champion.registry, old, new)
    assert {cause.kind for cause in found.causes} == {kind}
    if kind == "snapshot":
        assert {(own.source, own.as_of) for own in found.snapshots} == {
            (source, "2024-02-05T23:00:00+00:00") for source in ("parcels", "traffic")
        }
        assert {cause.change for cause in found.causes} == {"added"}
    else:
        assert [(cause.name, cause.change) for cause in found.causes] == [(name, "changed")]


def test_old_and_new_value_are_named() -> None:
    old = {"source": {"a.py": "1", "b.py": "1"}, "configuration": {"split": {"test": "8d"}, "on": ["a"], "none": None}}
    new = {"source": {"a.py": "1", "c.py": "1"}, "configuration": {"split": {"test": "9d"}, "on": ["b"], "floors": {}}}
    packages = {"dependencies": {"numpy": "1", "gone": "1"}}, {"dependencies": {"numpy": "2"}}
    assert system_causes(old | packages[0], new | packages[1]) == [
        Cause("source", "b.py", "removed", "1", None),
        Cause("source", "c.py", "added", None, "1"),
        Cause("configuration", "on", "changed", ["a"], ["b"]),
        Cause("configuration", "split.test", "changed", "8d", "9d"),
        Cause("dependency", "gone", "removed", "1", None),
        Cause("dependency", "numpy", "changed", "1", "2"),
    ]


def test_in_a_container_the_image_stands_for_its_packages() -> None:
    bare: dict[str, Any] = {"source": {}, "configuration": {}}
    found = system_causes(bare | {"dependencies": {"numpy": "1"}}, bare | {"images": {"train": "i"}})
    assert found == [Cause("image", "train", "added", None, "i")]


def test_seed_and_snapshots_are_causes_too(shelf: Any) -> None:
    old = shelf.model("a", seed=0, snapshots=["s1", "s2"])
    new = shelf.model("b", seed=1, snapshots=["s2", "s3"])
    assert causes(old, new) == [
        Cause("seed", "seed", "changed", 0, 1),
        Cause("snapshot", "s1", "removed", "s1", None),
        Cause("snapshot", "s3", "added", None, "s3"),
    ]
    assert causes(old, old) == []
