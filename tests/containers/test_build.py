"""What a build takes from this machine, and how it tells what it does; no engine needed."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from containers import build


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
                return [{"stream": "no matching distribution\n"}, {"error": "exit status 1"}]

    with pytest.raises(build.BuildError, match=r"(?s)image data.*no matching distribution.*exit status 1"):
        build.run_build(Client(), build.Progress("data"))


def test_no_engine_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    assert build.main() == 1
    assert capsys.readouterr().err == "images: no container engine answers; run `make engine`\n"


@pytest.mark.parametrize("name", ["base", *build.STAGES])
def test_each_image_installs_its_own_lock(name: str) -> None:
    recipe = (build.ROOT / "containers" / name / "Dockerfile").read_text()
    assert f"requirements/{name}.txt" in recipe
    assert "--require-hashes" in recipe
    assert "PYTHONDONTWRITEBYTECODE" not in recipe


@pytest.mark.parametrize("lock", sorted((build.ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_a_lock_has_digests_and_names_no_place(lock: Path) -> None:
    text = lock.read_text()
    assert "--hash=sha256:" in text
    assert not [line for line in text.splitlines() if "://" in line or line.startswith(("-", "/", "."))]
