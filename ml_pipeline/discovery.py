"""Use cases, found by name: a folder in `ml_pipeline/use_cases`, or an entry point of an installed package."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.config_file import parse
from ml_pipeline.errors import ConfigError, UsageError

BUILT_IN = Path(__file__).parent / "use_cases"
ENTRY_POINTS = "ml_pipeline.use_cases"


class UseCase(NamedTuple):
    """A use case's configuration and where its code is."""

    config: UseCaseConfig
    folder: Path
    package: str

    def load(self, reference: str) -> Any:
        """The object `module.name` of the use case's package.

        Raises:
            ConfigError: there is no such module or name.
        """
        module, _, name = reference.rpartition(".")
        try:
            return getattr(importlib.import_module(f"{self.package}.{module or name}"), name)
        except (ImportError, AttributeError, SyntaxError) as error:
            raise ConfigError(
                f"pipeline.yaml names {reference!r}, which cannot be loaded",
                given=str(error),
                expected=f"a name in {self.folder.name}/{module or '…'}.py",
                do="correct the name, or install what the module imports",
            ) from error


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
            do=f"add the folder {name}/ with a pipeline.yaml, or install the package that brings it",
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


@cache
def _packages() -> dict[str, str]:
    built_in = {
        folder.parent.name: f"ml_pipeline.use_cases.{folder.parent.name}" for folder in BUILT_IN.glob("*/pipeline.yaml")
    }
    return {entry.name: entry.value for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)} | built_in
