"""The guide to a use case of one's own: every command of it, in its order, as a new user types them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.store]
ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/use-case.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)(?: title=(\S+))?\n(.*?)```", GUIDE, re.DOTALL)
SERVES = ("make ui",)
"""Commands that do not come back; that they are there is looked at instead."""


class Reader(NamedTuple):
    """Whoever follows the guide: a home of their own, and a shell that remembers what was exported."""

    home: Path

    def types(self, commands: str) -> str:
        """Run a block of commands; what they print."""
        for command in SERVES:
            commands = commands.replace(command, f"{command} --dry-run > /dev/null")
        kept = self.home / "exported"
        script = f"set -e; test ! -f {kept} || . {kept}\n{commands}\nexport -p > {kept}"
        environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "plugins"),
            "AIRFLOW_HOME": str(self.home / "airflow"),
            **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))},
        }
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, commands + done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def writes(self, title: str, code: str) -> None:
        """Put a block of code where the guide says: a file of its own, or in place of what models.py has for it."""
        path = self.home / "use_cases/visits" / title
        if not path.exists():
            path.write_text(code)
            return
        imports, _, code = code.partition("\n\n\n")
        name = re.match(r"class (\w+)", code)
        assert name
        old = re.compile(rf"^class {name[1]}\(.*?(?=\n\n\n)", re.DOTALL | re.MULTILINE)
        text, replaced = old.subn(code.rstrip().replace("\\", "\\\\"), path.read_text())
        assert replaced == 1
        path.write_text(text.replace("\nimport numpy", f"\n{imports}\nimport numpy", 1))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Reader, list[str]]]:
    """What the commands of the guide printed, block by block, up to the last, which stops the store."""
    reader, printed = Reader(tmp_path_factory.mktemp("home")), []
    *blocks, (_, _, stop) = BLOCKS
    try:
        for language, title, content in blocks:
            if language == "sh":
                printed.append(reader.types(content))
            elif title:
                reader.writes(title, content)
        yield reader, printed
    finally:
        assert "stopped" in reader.types(stop)
        _remove_images()


def _remove_images() -> None:
    """Those that `make demo` has built for the use cases of the guide, where there is an engine."""
    import docker

    try:
        client = docker.from_env()
    except docker.errors.DockerException:
        return
    with closing(client):
        for image in client.images.list():
            if any(tag.startswith(("ml-pipeline/shop-", "ml-pipeline/visits-")) for tag in image.tags):
                client.images.remove(image.id, force=True)


def test_all_commands_of_the_guide_work_in_its_order(told: tuple[Reader, list[str]]) -> None:
    _, (begun, first, own, aside, scheduled, shown, trees) = told
    assert "nothing to mend" in begun
    assert "synthetic data: the records of shop are made up" in first
    assert "40 rows scored" in own
    assert "synthetic" not in own
    assert aside == "nothing was set aside\n"
    assert re.search(r"runner: (docker|process) .*\nvisits.offline_training as of 2024-06-16\n", scheduled)
    assert "40 rows scored" in scheduled
    assert shown == ""
    assert "champion  2024-06-16" in trees


def test_the_custom_model_is_in_the_yaml_and_serves_without_scikit_learn(told: tuple[Reader, list[str]]) -> None:
    reader, _ = told
    script = """
import sys
sys.modules["sklearn"] = sys.modules["scipy"] = None
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import from_environment
registry = Registry(from_environment().within("visits"))
print("columns of the trees:", registry.parameters(registry.champion())["estimator"]["columns"])
from ml_pipeline.cli import main
main(["run", "visits", "online", "--as-of", "2024-06-16", "--stages", "serve,postprocess", "--force"])
"""
    said = reader.types(f"python - <<'END'\n{script}\nEND")
    assert "columns of the trees: ['pages', 'basket', 'device', 'came_from']" in said
    assert re.search(r"serve +done +40 +40", said)


def test_the_use_case_of_the_guide_keeps_the_rules_of_all_models(told: tuple[Reader, list[str]]) -> None:
    reader, _ = told
    said = reader.types("python -m pytest tests/contract -q -k visits -p no:cacheprovider")
    assert re.search(r"\b\d\d passed, \d+ deselected", said)


def test_what_the_guide_links_to_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target


def test_what_is_installed_knows_the_plugins_outside_make_too() -> None:
    command = ["make", "--always-make", "--dry-run", "install"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf'echo "{ROOT}/plugins" > ".*/ml_pipeline_plugins\.pth"', said)
