"""What a build takes from this machine, and how it tells what it does; no engine needed."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.utils.build import exclude_paths

from containers import build, images_table
from ml_pipeline.stages import IMAGES


def test_indexes_that_a_container_reaches_are_handed_on() -> None:
    listed = "global.index-url='https://packages.invalid/simple'\ninstall.trusted-host='packages.invalid'\n"
    assert build.parse_index(listed) == {
        "PIP_INDEX_URL": "https://packages.invalid/simple",
        "PIP_TRUSTED_HOST": "packages.invalid",
    }


def test_files_of_this_machine_are_not() -> None:
    listed = "global.find-links='/srv/wheels'\nglobal.extra-index-url='file:///srv/one https://two.invalid'\n"
    assert build.parse_index(listed) == {"PIP_EXTRA_INDEX_URL": "https://two.invalid"}


def test_a_variable_wins_over_a_file() -> None:
    listed = ":env:.index-url='https://variable.invalid'\nglobal.index-url='https://file.invalid'\n"
    assert build.parse_index(listed)["PIP_INDEX_URL"] == "https://variable.invalid"


def test_without_pip_settings_there_are_no_arguments() -> None:
    assert build.parse_index("") == {}


def test_pip_is_asked_again_only_where_its_variables_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def listed(*_: Any, **__: Any) -> SimpleNamespace:
        asked.append(os.environ["PIP_INDEX_URL"])
        return SimpleNamespace(stdout=f":env:.index-url='{asked[-1]}'\n")

    monkeypatch.setattr(build, "subprocess", SimpleNamespace(run=listed))
    build._pip_settings.cache_clear()
    found = []
    for index in ("https://one.invalid", "https://one.invalid", "https://two.invalid"):
        monkeypatch.setenv("PIP_INDEX_URL", index)
        found.append(build.index_arguments()["PIP_INDEX_URL"])
    build._pip_settings.cache_clear()
    assert found == ["https://one.invalid", "https://one.invalid", "https://two.invalid"]
    assert asked == ["https://one.invalid", "https://two.invalid"]


def test_an_archive_is_the_same_every_time() -> None:
    files = {"Dockerfile": b"FROM scratch\n", "contents": b"digest\n"}
    assert build.archive(files).read() == build.archive(files).read()
    with tarfile.open(fileobj=build.archive(files)) as tar:
        assert tar.getnames() == list(files)


def test_progress_is_a_line_a_step_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    progress = build.Progress("serve")
    progress.show("Step 1/3 : ARG BASE_IMAGE\n")
    progress.show("Step 2/3 : RUN make\n ---> Running in 123\n")
    progress.end("done")
    assert capsys.readouterr().out.splitlines() == ["serve    2/3 RUN make", "serve  done"]


def test_a_failed_build_tells_its_last_words() -> None:
    class Client:
        class api:  # noqa: N801
            @staticmethod
            def build(**_: Any) -> list[dict[str, str]]:
                said = ["fetched\n", "Step 2/3 : RUN pip\n", " ---> Running in 123\n", "no matching distribution\n"]
                return [*({"stream": line} for line in said), {"error": "exit status 1"}]

    with pytest.raises(build.BuildError) as failed:
        build.run_build(Client(), build.Progress("data"))
    words = ["the image data cannot be built:", "no matching distribution", "exit status 1"]
    assert str(failed.value).splitlines() == words


def test_the_table_says_what_each_image_adds(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {"base": (280, 0), "train": (460, 280), "parcels-train": (461, 460)}
    build.print_table({name: build.Built(image(size), shares * 10**6) for name, (size, shares) in sizes.items()})
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split() for line in lines] == [
        ["image", "size", "own"],
        ["ml-pipeline/base:0123456789ab", "280", "MB", "280", "MB"],
        ["ml-pipeline/train:0123456789ab", "460", "MB", "180", "MB"],
        ["ml-pipeline/parcels-train:0123456789ab", "461", "MB", "1", "MB"],
    ]
    assert len(set(map(len, lines))) == 1


def image(size: int) -> Any:
    """An image of so many megabytes."""
    return SimpleNamespace(attrs={"Size": size * 10**6}, labels={build.LABEL: "0123456789abcdef"})


def test_shared_images_are_not_given_what_a_use_case_requires_or_hides(tmp_path: Path) -> None:
    given = {"requirements/train.txt", "ml_pipeline/run.py", "ml_pipeline/use_cases/rain/models.py"}
    rain = "ml_pipeline/use_cases/rain"
    kept_out = {f"{rain}/requirements/train.txt", f"{rain}/.env", f"{rain}/__pycache__/models.pyc", "README.md", ".env"}
    for name in given | kept_out:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    ignored = [line for line in (build.ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    found = exclude_paths(str(tmp_path), ignored, dockerfile="ml_pipeline/run.py")
    assert {name for name in found if (tmp_path / name).is_file()} == given


def test_no_engine_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    assert build.main() == 1
    assert capsys.readouterr().err == "images: no container engine answers; run `make engine`\n"


@pytest.mark.parametrize("name", ["base", *IMAGES])
def test_each_image_installs_its_own_lock(name: str) -> None:
    recipe = (build.ROOT / "containers" / name / "Dockerfile").read_text()
    assert f"requirements/{name}.txt" in recipe
    assert "--require-hashes" in recipe
    assert "PYTHONDONTWRITEBYTECODE" not in recipe


def test_the_readme_lists_the_images_that_exist() -> None:
    readme = (build.ROOT / "README.md").read_text(encoding="utf-8")
    start, end = map(readme.index, images_table.MARKERS)
    rows = [line.split("|")[1:-1] for line in readme[start:end].splitlines()[3:]]
    said = {row[0].strip(" `"): row[1].strip() for row in rows}
    assert said == {name: images_table.purpose(name) for name in images_table.NAMES}


def test_the_table_of_the_readme_tells_layers_apart() -> None:
    below = [layer("COPY dir:0 in /opt/venv", 90), layer("", 190)]
    above = [layer("COPY contents in /etc", 0), layer("RUN compileall /opt/ml-pipeline", 3)]
    above += [layer("COPY dir:2 in /opt/ml-pipeline/ml_pipeline", 1), layer("COPY dir:1 in /opt/venv", 170)]
    images = {"base": with_history(280, below), "serve": with_history(454, above + below)}
    assert [row.split("|")[3:5] for row in images_table.table(images)[2:]] == [
        [" 280 MB ", " system 190 + packages 90 "],
        [" 454 MB ", " base 280 + packages 170 + code 4 "],
    ]


def layer(command: str, size: int) -> dict[str, Any]:
    """As an engine tells it, the newest first; the size in megabytes."""
    return {"CreatedBy": command, "Size": size * 10**6}


def with_history(size: int, layers: list[dict[str, Any]]) -> Any:
    """An image of so many megabytes, made of these layers."""
    return SimpleNamespace(attrs={"Size": size * 10**6}, history=lambda: layers)


def test_only_what_stands_between_the_markers_changes() -> None:
    start, end = images_table.MARKERS
    before = f"# Title\n{start}\n| old |\n{end}\nThe rest.\n"
    after = images_table.placed(before, ["| new |"])
    assert after == before.replace("old", "new")
    assert images_table.placed(after, ["| new |"]) == after


@pytest.mark.parametrize("lock", sorted((build.ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_a_lock_has_digests_and_names_no_place(lock: Path) -> None:
    text = lock.read_text()
    assert "--hash=sha256:" in text
    assert not [line for line in text.splitlines() if "://" in line or line.startswith(("-", "/", "."))]
