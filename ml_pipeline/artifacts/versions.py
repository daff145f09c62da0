"""Versions: changing anything changes everything.

The system version is a hash of all that computes (source of the package and of the use case, configuration,
dependencies or container images); a model version adds the snapshots it was trained on and the seed. Neither knows
a path, a machine or a clock.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ml_pipeline.discovery import UseCase

PACKAGE = Path(__file__).parent.parent
LENGTH = 16
"""Hexadecimal digits of a version: 64 bits."""


class SystemVersion(NamedTuple):
    """The digest, and what went into it, by name, so that two versions can be told apart down to the file."""

    digest: str
    components: dict[str, Any]


def system_version(use_case: UseCase, images: Mapping[str, str]) -> SystemVersion:
    """The version of what computes. `images` says what each container image holds; empty without containers."""
    components = {
        "source": _source(PACKAGE, ("use_cases",)) | _source(use_case.folder, ()),
        "configuration": _configuration(use_case),
        "images" if images else "dependencies": dict(sorted(images.items())) or _installed(),
    }
    return SystemVersion(fingerprint(components), components)


def _configuration(use_case: UseCase) -> dict[str, Any]:
    """All of pipeline.yaml but the addresses: what the records are counts, not where they were found.

    Nor do services and runner count: they change where stages run, and no number.
    """
    configuration: dict[str, Any] = msgspec.to_builtins(use_case.config)
    del configuration["services"], configuration["runner"]
    sources = {name: source | {"address": ""} for name, source in configuration["sources"].items()}
    return {**configuration, "sources": sources}


def model_version(system: str, snapshots: Iterable[str], seed: int, start: str = "") -> str:
    """The one name of a model; `start` is that of the model it went on from."""
    return fingerprint([system, sorted(snapshots), seed, *([start] if start else [])])[:LENGTH]


def fingerprint(value: Any) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _source(folder: Path, skip: tuple[str, ...]) -> dict[str, str]:
    """Every file: what a use case keeps beside its code, a table or a query, computes too."""
    files = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        f"{folder.name}/{relative.as_posix()}": hashlib.sha256(path.read_bytes()).hexdigest()[:LENGTH]
        for relative, path in files.items()
        if relative.parts[0] not in skip and not any(map(_left_behind, relative.parts))
    }


def _left_behind(name: str) -> bool:
    """By an interpreter, an editor or a file manager."""
    return name.startswith(".") or name == "__pycache__"


@cache
def _installed() -> dict[str, str]:
    """Read off the names of the folders that installers leave: opening 200 of them takes half a second."""
    folders = (folder.name.removesuffix(".dist-info") for path in sys.path for folder in Path(path).glob("*.dist-info"))
    packages = dict(name.lower().rsplit("-", 1) for name in folders)
    return {"python": platform.python_version(), **dict(sorted(packages.items()))}
