"""Use cases, found by name: a folder where use cases lie, or an entry point of an installed package.

Use cases lie in `ml_pipeline/use_cases` and in the folders that `ML_PIPELINE_USE_CASES` names. What lies there is
imported as if it lay in `ml_pipeline.use_cases`, so its code has the same name on every machine and in every container.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from traceback import extract_tb
from typing import Any, NamedTuple

from ml_pipeline import use_cases
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.config_file import parse
from ml_pipeline.errors import FAULTS, ConfigError, UsageError

BUILT_IN = Path(__file__).parent / "use_cases"
ENTRY_POINTS = "ml_pipeline.use_cases"
FOLDERS = "ML_PIPELINE_USE_CASES"
"""Variable that names folders which hold use cases, separated as in PATH."""
OWN = "store:"
"""An address that begins so lies in the use case's part of the object store."""


class UseCase(NamedTuple):
    """A use case's configuration and where its code is."""

    config: UseCaseConfig
    folder: Path
    package: str

    @property
    def built_in(self) -> bool:
        """Whether it comes with ml_pipeline, and so lies in every image."""
        return self.folder.parent == BUILT_IN

    def address(self, source: str, store: str) -> str:
        """Where a source's records are: absolute, whatever pipeline.yaml says it from; empty where the reader knows."""
        given = self.config.sources[source].address
        database = "sqlite:" if given.startswith("sqlite:") else ""
        place = given.removeprefix(database)
        if place.startswith(OWN):
            place = f"{store.rstrip('/')}/{self.config.name}/{place.removeprefix(OWN)}"
        elif place and ":" not in place:
            place = str(self.folder / Path(place).expanduser())
        return database + place

    def load(self, reference: str) -> Any:
        """The object `module.name` of the use case's package.

        Raises:
            ConfigError: there is no such module or name.
        """
        module, _, name = reference.rpartition(".")
        try:
            return getattr(importlib.import_module(f"{self.package}.{module or name}"), name)
        except FAULTS as error:
            raise ConfigError(
                f"pipeline.yaml names {reference!r}, which cannot be loaded",
                given=self._where(error),
                expected=f"a name in {self.folder.name}/{module or '…'}.py",
                do="correct the name or the line, or install what the module imports",
            ) from error

    def _where(self, error: Exception) -> str:
        """An error with the last line of the use case's own code that led to it."""
        lines = [frame for frame in extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(self.folder)]
        at = f", {Path(lines[-1].filename).name} line {lines[-1].lineno}" if lines else ""
        return f"{type(error).__name__}: {error}{at}"


def names() -> list[str]:
    """All use cases that can be found, sorted."""
    return sorted(_packages())


def find(name: str, overrides: Mapping[str, Any] | None = None) -> UseCase:
    """Read a use case by name, with dotted keys of its pipeline.yaml replaced.

    Raises:
        UsageError: no use case has this name.
        ConfigError: its pipeline.yaml is not as it must be.
    """
    package = _packages().get(name)
    if package is None:
        raise UsageError(
            f"there is no use case {name!r}",
            given=name,
            expected="one of " + ", ".join(names()),
            do=f"make it (`ml-pipeline new {name}`), name the folder it lies in with {FOLDERS}, or install its package",
        )
    folder, text = _read(name, package)
    return UseCase(parse(text, name, overrides or {}), folder, package)


def _read(name: str, package: str) -> tuple[Path, str]:
    """Where a package lies, and the text of its pipeline.yaml."""
    try:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"{package!r} is no package")
        folder = Path(next(iter(spec.submodule_search_locations)))
        return folder, (folder / "pipeline.yaml").read_text(encoding="utf-8")
    except (ImportError, FileNotFoundError) as error:
        raise ConfigError(
            f"the use case {name} has no pipeline.yaml",
            given=str(error),
            expected=f"a file pipeline.yaml in the package {package}",
            do="add it, or correct the entry point",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"pipeline.yaml of {name} is not UTF-8", given=str(error), do="save it as UTF-8") from error


def folders() -> list[Path]:
    """Folders in which use cases may lie, those named by the environment first.

    Raises:
        UsageError: one of them is not there.
    """
    named = [Path(name).expanduser().absolute() for name in os.environ.get(FOLDERS, "").split(os.pathsep) if name]
    if missing := [folder for folder in named if not folder.is_dir()]:
        raise UsageError(
            f"{FOLDERS} names a folder that is not there", given=missing[0], do="make the folder, or correct the name"
        )
    return [*named, BUILT_IN]


@cache
def _packages() -> dict[str, str]:
    found = folders()
    use_cases.__path__[:] = [str(BUILT_IN), *(str(folder) for folder in found if folder != BUILT_IN)]
    in_folders = {
        pipeline.parent.name: f"{use_cases.__name__}.{pipeline.parent.name}"
        for folder in found
        for pipeline in folder.glob("*/pipeline.yaml")
        if pipeline.parent.name.isidentifier()
    }
    return {entry.name: entry.value for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)} | in_folders
