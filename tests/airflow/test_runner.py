from __future__ import annotations

import pytest
from ml_pipeline_airflow import runner


@pytest.fixture(autouse=True)
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ML_PIPELINE_RUNNER", raising=False)


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ML_PIPELINE_RUNNER", "process")
    assert runner.main([]) == 0
    assert capsys.readouterr().out == "runner: process (ML_PIPELINE_RUNNER says so)\n"


def test_a_runner_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ML_PIPELINE_RUNNER", "rocket")
    assert runner.main(["--name"]) == 2
    assert "docker, process, swarm or kubernetes" in capsys.readouterr().err


def test_without_an_engine_stages_are_processes(no_engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main([]) == 0
    assert "process (the container engine does not answer" in capsys.readouterr().out
    runner.main(["--name"])
    assert capsys.readouterr().out == "process\n"


@pytest.mark.containers
def test_with_an_engine_and_the_images_stages_are_containers(capsys: pytest.CaptureFixture[str]) -> None:
    runner.main(["--name"])
    assert capsys.readouterr().out == "docker\n"


@pytest.mark.containers
def test_without_the_images_stages_are_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "IMAGES", ("none",))
    assert runner.choose() == ("process", "a container image is missing: ml-pipeline/none:latest")
