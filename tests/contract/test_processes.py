"""The same bits in another process, in which sets have another order; and what a process imports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_pipeline.discovery import names
from tests.contract.fingerprints import elsewhere, fingerprint, fingerprints_elsewhere
from tests.contract.subjects import Recipe, Subject, of_package, of_use_case

pytestmark = pytest.mark.long
USE_CASES = names()
"""Of the product and of whoever asks for the suite; other tests bring theirs for as long as they run."""
HEAVY = {"pandas", "sklearn", "scipy", "adbc_driver_manager", "airflow", "docker"}
PROBE = """
import importlib, json, pkgutil, sys, ml_pipeline.handlers as handlers
for found in pkgutil.iter_modules(handlers.__path__, "ml_pipeline.handlers."):
    importlib.import_module(found.name)
print(json.dumps(sorted(sys.modules)))
"""


def test_another_process_gives_the_same(subject_of: Callable[[Recipe], Subject], tmp_path: Path) -> None:
    recipes = [*of_package(), *(recipe for name in USE_CASES for recipe in of_use_case(name))]
    here = {recipe.name: fingerprint(subject_of(recipe)) for recipe in recipes}
    assert fingerprints_elsewhere(tmp_path, USE_CASES) == here


def test_no_handler_imports_what_its_image_may_lack() -> None:
    modules = elsewhere("-c", PROBE)
    assert "ml_pipeline.handlers.train" in modules
    assert not HEAVY & {module.partition(".")[0] for module in modules}
