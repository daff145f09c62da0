"""The contracts between rooms, run as tests."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import ml_pipeline

ROOT = Path(ml_pipeline.__file__).parents[1]
HEAVY = ("numpy", "pandas", "pyarrow", "sklearn", "scipy", "obstore", "airflow", "docker")
MODULES = [
    "ml_pipeline",
    *(
        found.name
        for found in pkgutil.walk_packages(ml_pipeline.__path__, "ml_pipeline.")
        if "__main__" not in found.name
    ),
]


def test_rooms_import_only_whom_they_may() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize("module", ["ml_pipeline.cli", "ml_pipeline.discovery", "ml_pipeline.stages"])
def test_what_every_command_and_every_dag_imports_is_light(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_finding_a_use_case_and_its_tasks_needs_nothing_heavy_either() -> None:
    program = (
        "import sys; from ml_pipeline.discovery import find; from ml_pipeline.stages import tasks\n"
        "[tasks(find('flights').config, mode) for mode in ('offline', 'online')]\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_are_true(module: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(module))
    assert not failed


def test_there_are_examples_and_use_cases_are_among_the_modules() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for module in MODULES for test in finder.find(importlib.import_module(module)) if test.examples]
    assert sum(len(test.examples) for test in found) >= 10
    assert "ml_pipeline.use_cases.flights.models" in MODULES


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is_for(module: str) -> None:
    assert (importlib.import_module(module).__doc__ or "").strip()
