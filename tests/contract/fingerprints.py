"""What every model answers, as a digest by its name; `python -m tests.contract.fingerprints STORE USE_CASE…` prints it.

A process of its own has another order of sets and another hash of every word.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from tests.contract.compare import bits
from tests.contract.samples import sample
from tests.contract.subjects import Subject, of_package, of_use_case

ROOT = Path(__file__).parents[2]


def elsewhere(*arguments: str) -> Any:
    """What another process prints."""
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, env=environment, check=True, text=True)
    return json.loads(done.stdout)


def fingerprints_elsewhere(store: Path, use_cases: Sequence[str]) -> dict[str, str]:
    """`fingerprints` of another process."""
    found: dict[str, str] = elsewhere("-m", "tests.contract.fingerprints", str(store), *use_cases)
    return found


def fingerprints(store: Path, use_cases: Sequence[str]) -> dict[str, str]:
    """Digests of what the models of the package and of some use cases learn and answer."""

    @cache
    def samples(name: str) -> Mapping[str, Subject]:
        return sample(name, store)

    recipes = [*of_package(), *(recipe for name in use_cases for recipe in of_use_case(name))]
    return {recipe.name: fingerprint(recipe.make(samples)) for recipe in recipes}


def fingerprint(subject: Subject) -> str:
    """Of what a subject learns and answers."""
    told = bits([subject.parameters if subject.stored else None, subject.transform(subject.x)])
    return hashlib.sha256(repr(told).encode()).hexdigest()


if __name__ == "__main__":
    with threadpool_limits(1):
        sys.stdout.write(json.dumps(fingerprints(Path(sys.argv[1]), sys.argv[2:])))
