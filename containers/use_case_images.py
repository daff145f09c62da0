"""What goes into the images that a use case has for itself: its code, and the packages that it requires.

Code lies in an image under the name it is imported by. A use case in a folder brings that folder; one in an installed
package brings the outermost package it lies in, and the entry point that it is found by, however it was installed.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ml_pipeline_airflow import images

from ml_pipeline import discovery, use_cases
from ml_pipeline.discovery import UseCase

DOCKERFILE = Path(__file__).with_name("use_case") / "Dockerfile"
CODE = "code"
"""Folder of a build's context whose files come to lie in /opt/ml-pipeline."""
DOOR = "api"
"""The kind of image that answers requests, whether or not a task runs in it."""

Files = Iterator[tuple[str, bytes]]
"""Files of a build's context, by path."""


class OwnImage(NamedTuple):
    """An image to build: its short name, the kind of the shared one below it, and the files of the build's context."""

    name: str
    kind: str
    files: dict[str, bytes]


def own_images(name: str) -> list[OwnImage]:
    """One for each kind of image that runs a use case's tasks or answers for it; none where the shared ones hold all.

    Raises:
        ConfigError: its pipeline.yaml is not as it must be.
    """
    use_case = discovery.find(name)
    if not images.has_own(use_case):
        return []
    shared = {"Dockerfile": DOCKERFILE.read_bytes(), **dict(_requirements(use_case)), **dict(_code(use_case))}
    return [
        OwnImage(images.short_name(use_case, kind), kind, {f"{images.REQUIREMENTS}/{kind}.txt": b"", **shared})
        for kind in sorted({*images.needed(use_case), DOOR})
    ]


def _requirements(use_case: UseCase) -> Files:
    """All of them: one file may include another, or name a wheel that lies beside it."""
    folder = use_case.folder / images.REQUIREMENTS
    return ((f"{images.REQUIREMENTS}/{path.relative_to(folder).as_posix()}", path.read_bytes()) for path in _in(folder))


def _code(use_case: UseCase) -> Files:
    """All that is imported and read; requirements stay out, as they may name an index with its password."""
    in_folder = use_case.package.startswith(f"{use_cases.__name__}.")
    package, folder = (use_case.package, use_case.folder) if in_folder else _outermost(use_case)
    for path in _in(folder):
        if not path.is_relative_to(use_case.folder / images.REQUIREMENTS):
            yield f"{CODE}/{package.replace('.', '/')}/{path.relative_to(folder).as_posix()}", path.read_bytes()
    if not in_folder:
        yield from _metadata(use_case.config.name)


def _outermost(use_case: UseCase) -> tuple[str, Path]:
    """The outermost package that is not a mere namespace, which other distributions may share."""
    parts = use_case.package.split(".")
    for depth in range(1, len(parts)):
        package = ".".join(parts[:depth])
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            return package, Path(spec.origin).parent
    return use_case.package, use_case.folder


def _metadata(name: str) -> Files:
    """What an installed distribution is found by; where it was installed from stays on this machine."""
    entries = importlib.metadata.entry_points(group=discovery.ENTRY_POINTS)
    found = {entry.name: entry.dist for entry in entries}[name]
    if found:
        folder = f"{CODE}/{re.sub(r'[-_.]+', '_', found.name)}-{found.version}.dist-info"
        described = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
        yield f"{folder}/METADATA", described.encode()
        yield f"{folder}/entry_points.txt", (found.read_text("entry_points.txt") or "").encode()


def _in(folder: Path) -> list[Path]:
    """Its files, but those that an interpreter, an editor or a file manager left."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(map(_left_behind, path.relative_to(folder).parts))
    ]


def _left_behind(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__" or name.endswith(".pyc")
