"""Why two models have different versions: what went into one of them and not into the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from ml_pipeline.artifacts.registry import Model
from ml_pipeline.lineage.leaves import leaves

Kind = Literal["source", "configuration", "dependency", "image", "start", "snapshot", "seed"]


class Cause(msgspec.Struct, frozen=True):
    """One thing that differs. What was added has no `old`, what was removed no `new`.

    Of a source file and an image the values say what it holds, as a digest; the start is the model gone on from.
    """

    kind: Kind
    name: str
    change: Literal["changed", "added", "removed"]
    old: Any
    new: Any


def causes(old: Model, new: Model) -> list[Cause]:
    """All that differs between what two models were made by and from; snapshots by their digests."""
    seeds = list(_differing("seed", {"seed": old.seed}, {"seed": new.seed}))
    snapshots = list(_differing("snapshot", _digests(old), _digests(new)))
    starts = list(_differing("start", _start(old), _start(new)))
    return [*system_causes(old.system, new.system), *seeds, *starts, *snapshots]


def system_causes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Cause]:
    """All that differs between the components of two system versions.

    Packages are compared where both have them: in containers an image stands for all that is installed in it.
    """
    found = list(_differing("source", old["source"], new["source"]))
    found += _differing("configuration", _keys(old["configuration"]), _keys(new["configuration"]))
    if "dependencies" in old and "dependencies" in new:
        found += _differing("dependency", old["dependencies"], new["dependencies"])
    return [*found, *_differing("image", old.get("images", {}), new.get("images", {}))]


def _keys(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys of pipeline.yaml that say something; the seed is a cause of its own."""
    said = {name: value for name, value in leaves(configuration, lists=False) if value is not None}
    return {name: value for name, value in said.items() if name != "seed"}


def _start(model: Model) -> dict[str, str]:
    return {"model": model.start} if model.start else {}


def _digests(model: Model) -> dict[str, str]:
    return {digest: digest for digest in model.snapshots}


def _differing(kind: Kind, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Cause]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before != after:
            change: Any = "added" if name not in old else "removed" if name not in new else "changed"
            yield Cause(kind, name, change, before, after)
