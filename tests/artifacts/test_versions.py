"""Changing anything that computes changes the version; moving it, reordering it or running it elsewhere does not."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.artifacts import versions
from ml_pipeline.artifacts.versions import SystemVersion, fingerprint, model_version, system_version
from ml_pipeline.config import Services, SourceConfig, UseCaseConfig
from ml_pipeline.discovery import UseCase, find

IMAGES = {"data": "sha256:1", "train": "sha256:2"}
CONFIG = UseCaseConfig(
    name="demo", question="?", key="id", time="due", label="late", model="models.Late", postprocess="models.bands",
    sources={"orders": SourceConfig(reader="sources.orders", prepare="sources.plain", drives=True)},
)  # fmt: skip
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A use case, and a package in place of ours."""
    for name, files in {"package": ("chain.py", "models/linear.py"), "demo": ("models.py", "pipeline.yaml")}.items():
        for file in files:
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"# {file}\n")
    monkeypatch.setattr(versions, "PACKAGE", tmp_path / "package")
    _forget()
    yield tmp_path
    _forget()


def _forget() -> None:
    """Of the source; packages stay as they were found first, for other tests have models that they are part of."""
    versions._source.cache_clear()


def version(folder: Path, config: UseCaseConfig = CONFIG, images: dict[str, str] | None = None) -> SystemVersion:
    _forget()
    return system_version(UseCase(config, folder / "demo", "demo"), IMAGES if images is None else images)


def _shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        keys = chance.sample(list(value), len(value))
        return {key: _shuffled(value[key], chance) for key in keys}
    return [_shuffled(entry, chance) for entry in value] if isinstance(value, list) else value


@settings(max_examples=30)
@given(plain, st.randoms(use_true_random=False))
def test_a_fingerprint_does_not_depend_on_the_order_of_keys(value: Any, chance: random.Random) -> None:
    assert fingerprint(_shuffled(value, chance)) == fingerprint(value)


@settings(max_examples=30)
@given(plain, plain)
def test_other_values_have_another_fingerprint(a: Any, b: Any) -> None:
    if json.dumps(a, sort_keys=True) != json.dumps(b, sort_keys=True):
        assert fingerprint(a) != fingerprint(b)


def test_nothing_changed_is_the_same_version(folder: Path) -> None:
    assert version(folder) == version(folder)


def test_another_place_is_the_same_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = version(folder)
    shutil.copytree(folder, folder / "elsewhere")
    monkeypatch.setattr(versions, "PACKAGE", folder / "elsewhere/package")
    moved = version(folder / "elsewhere")
    assert moved == before
    assert str(folder) not in json.dumps(moved.components)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a comment in the use case": lambda f: (f / "demo/models.py").write_text("# models.py!\n"),
    "a space in pipeline.yaml": lambda f: (f / "demo/pipeline.yaml").write_text("# pipeline.yaml \n"),
    "a new file": lambda f: (f / "demo/extra.py").touch(),
    "a table that a source reads": lambda f: (f / "demo/airports.csv").write_text("a,b\n"),
    "another name": lambda f: (f / "demo/models.py").rename(f / "demo/model.py"),
    "a file less": lambda f: (f / "demo/models.py").unlink(),
    "a comment in the package": lambda f: (f / "package/models/linear.py").write_text("#\n"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_of_the_source_is_another_version(folder: Path, change: Callable[[Path], object]) -> None:
    before = version(folder)
    change(folder)
    after = version(folder)
    assert after.digest != before.digest
    assert [name for name in before.components if before.components[name] != after.components[name]] == ["source"]


def test_the_file_that_changed_is_named(folder: Path) -> None:
    before = version(folder).components["source"]
    CHANGES["a comment in the use case"](folder)
    after = version(folder).components["source"]
    assert {name for name in before if before[name] != after[name]} == {"demo/models.py"}


@pytest.mark.parametrize(
    "path", ["demo/__pycache__/models.cpython-311.pyc", "demo/.models.py.swp", "package/.DS_Store"]
)
def test_what_machines_leave_behind_does_not_count(folder: Path, path: str) -> None:
    before = version(folder)
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_bytes(b"\x00")
    assert version(folder) == before


def test_other_use_cases_do_not_count(folder: Path) -> None:
    before = version(folder)
    (folder / "package/use_cases/other").mkdir(parents=True)
    (folder / "package/use_cases/other/models.py").touch()
    assert version(folder) == before


def test_any_key_of_the_configuration_is_another_version(folder: Path) -> None:
    changes: dict[str, Any] = {"seed": 1, "horizon": "2h", "question": "!", "sources": {}}
    changed = [msgspec.structs.replace(CONFIG, **{name: value}) for name, value in changes.items()]
    digests = {version(folder, config).digest for config in (CONFIG, *changed)}
    assert len(digests) == len(changes) + 1


def test_how_stages_are_grouped_is_the_same_version(folder: Path) -> None:
    grouped = Services(offline={"learn": ["train", "evaluate"]})
    assert version(folder, msgspec.structs.replace(CONFIG, services=grouped)) == version(folder)


def test_any_image_is_another_version_and_their_order_is_none(folder: Path) -> None:
    assert version(folder, images=dict(reversed(IMAGES.items()))) == version(folder)
    assert version(folder, images=IMAGES | {"train": "sha256:3"}).digest != version(folder).digest
    assert version(folder, images={"data": "sha256:1"}).digest != version(folder).digest


def test_without_containers_the_installed_packages_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = version(folder, images={})
    installed = before.components["dependencies"]
    assert {"numpy", "msgspec", "python"} <= installed.keys()
    assert "dependencies" not in version(folder).components
    monkeypatch.setattr(versions, "_installed", lambda: installed | {"numpy": "0.1"})
    monkeypatch.setattr(versions._installed, "cache_clear", lambda: None, raising=False)
    assert system_version(UseCase(CONFIG, folder / "demo", "demo"), {}).digest != before.digest


def test_another_process_elsewhere_finds_the_same_version(tmp_path: Path) -> None:
    _forget()
    here = system_version(find("flights"), {"data": "1"}).digest
    script = (
        "from ml_pipeline.discovery import find; from ml_pipeline.artifacts.versions import system_version;"
        "print(system_version(find('flights'), {'data': '1'}).digest)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C", "HOME": str(tmp_path)}
    there = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here


def test_a_model_is_named_by_system_snapshots_and_seed_alone() -> None:
    name = model_version("system", ["b", "a"], 0)
    assert len(name) == versions.LENGTH
    assert int(name, 16)
    assert model_version("system", iter(["a", "b"]), 0) == name
    others = [
        model_version("other", ["a", "b"], 0),
        model_version("system", ["a"], 0),
        model_version("system", ["a", "c"], 0),
        model_version("system", ["a", "b"], 1),
    ]
    assert len({name, *others}) == 5
