"""What `make up` writes, and what docker-compose.yaml says, without starting anything."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from containers import build, engine, stack, stack_health, stack_images, stack_secrets
from ml_pipeline.api import tokens

ROOT = Path(__file__).parents[2]
ME = os.getuid()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """docker-compose.yaml as it is written, with what YAML merges."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stack's folder, and an environment that says nothing else."""
    for name in (
        *stack.OPTIONAL,
        *(own.name for own in stack_images.VARIABLES),
        "ML_PIPELINE_USE_CASES",
        "DOCKER_HOST",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STACK_FOLDER", str(tmp_path / "stack"))
    (tmp_path / "stack").mkdir()
    return tmp_path / "stack"


def test_secrets_are_random_private_and_made_once(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        stack_secrets.make(folder, ME)
    one, two = ({path.name: path.read_text() for path in folder.glob("secrets/*")} for folder in folders)
    assert one.keys() == two.keys()
    assert not [name for name in one if one[name] == two[name]]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*/secrets/*")} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*/secrets")} == {0o700}
    stack_secrets.make(folders[0], ME)
    assert {path.name: path.read_text() for path in folders[0].glob("secrets/*")} == one


def test_secrets_that_were_made_in_part_are_made_again(tmp_path: Path) -> None:
    (tmp_path / "secrets.new").mkdir()
    (tmp_path / "secrets.new/database_password").write_text("half")
    stack_secrets.make(tmp_path, ME)
    password = (tmp_path / "secrets/database_password").read_text()
    assert len(password) == 64
    assert f":{password}@" in (tmp_path / "secrets/airflow_database").read_text()
    assert not (tmp_path / "secrets.new").exists()


def test_the_token_opens_the_online_service_and_only_its_hash_goes_there(tmp_path: Path) -> None:
    stack_secrets.make(tmp_path, ME)
    token = (tmp_path / stack_secrets.TOKEN).read_text().strip()
    known = tokens.TokenFile(tmp_path / "tokens/tokens.yaml")
    found = known.find(token.encode())
    assert found is not None
    assert set(found.scopes) == set(tokens.SCOPES)
    assert not [path for path in tmp_path.glob("*/*") if token in path.read_text()]


@pytest.mark.skipif(ME != 0, reason="only root can give a file away")
def test_a_token_that_root_adds_is_read_by_the_services_user(tmp_path: Path) -> None:
    stack_secrets.make(tmp_path, stack.USER)
    path = tmp_path / "tokens/tokens.yaml"
    before = path.stat()
    tokens.add(path, "nightly", ["score"])
    assert path.stat().st_ino != before.st_ino
    assert {(own.stat().st_uid, own.stat().st_mode & 0o777) for own in (path, path.parent)} == {
        (stack.USER, 0o600),
        (stack.USER, 0o700),
    }


def test_every_secret_of_the_compose_file_is_made_and_every_one_that_is_made_is_used(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    stack_secrets.make(tmp_path, ME)
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    named = {name for service in compose["services"].values() for name in service.get("secrets", ())}
    assert made == set(compose["secrets"]) == named
    assert "${STACK_FOLDER}/tokens:/run/tokens:ro" in compose["services"]["online"]["volumes"]
    for name, own in compose["secrets"].items():
        assert own == {"file": f"${{STACK_FOLDER}}/secrets/{name}"}


def test_every_service_is_bounded_watched_and_without_rights(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert {"mem_limit", "cpus", "pids_limit", "networks", "image", "logging"} <= service.keys(), name
        assert (service["cap_drop"], service["read_only"]) == (["ALL"], True), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert "healthcheck" in service or name == "prepare", name
        assert service["restart"] == ("no" if name == "prepare" else "unless-stopped"), name


def test_ports_are_published_on_loopback_alone(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 3
    assert {port.partition("$")[0] for port in ports} == {"127.0.0.1:"}


def test_the_proxy_alone_holds_the_socket_and_only_what_runs_tasks_reaches_it(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name in services if "docker.sock" in str(services[name].get("volumes"))] == ["proxy"]
    assert {name for name in services if "engine" in services[name]["networks"]} == {"proxy", "scheduler", "worker"}
    assert compose["networks"]["engine"] == compose["networks"]["backend"] == {"internal": True}


def test_stages_reach_the_store_alone_and_those_that_fetch_records_reach_out(compose: dict[str, Any]) -> None:
    networks, services = compose["networks"], compose["services"]
    assert (networks["stages"], networks["outside"]) == ({"internal": True}, {})
    assert {name for name in services if "outside" in services[name]["networks"]} == {"store", "online"}
    for service, own in (("scheduler", "ML_PIPELINE_"), ("worker", "ML_PIPELINE_"), ("proxy", "")):
        environment = services[service]["environment"]
        names = [environment[f"{own}{name}"] for name in (f"{'STAGES_' * (not own)}NETWORK", "INGEST_NETWORK")]
        assert names == [f"${{COMPOSE_PROJECT_NAME}}_{name}" for name in stack.NETWORKS]


def test_the_compose_file_works_with_the_first_compose_and_with_the_second(compose: dict[str, Any]) -> None:
    assert not {"version", "name", "include", "develop"} & compose.keys()
    assert not [name for name, service in compose["services"].items() if {"build", "deploy"} & service.keys()]


def test_settings_say_all_that_has_no_value_of_its_own(
    place: Path, monkeypatch: pytest.MonkeyPatch, socket: Path
) -> None:
    text = (ROOT / "docker-compose.yaml").read_text()
    needed = set(re.findall(r"\$\{(\w+)(?::\?[^}]*)?\}", text))
    found = stack.settings(place, celery=False)
    assert needed <= found.keys()
    assert not [value for value in found.values() if "\n" in value]
    assert "COMPOSE_PROFILES" not in found
    monkeypatch.setenv("AIRFLOW_PORT", "")
    chosen = stack.settings(place, celery=True)
    assert (chosen["AIRFLOW_PORT"], chosen["AIRFLOW_EXECUTOR"], chosen["COMPOSE_PROFILES"]) == (
        "",
        "CeleryExecutor",
        "celery",
    )


def test_an_engine_elsewhere_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(stack.StackError, match=r"must be this machine's, not tcp://10\.0\.0\.1:2375"):
        stack.settings(place, celery=False)


def test_use_cases_come_from_one_folder(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stack.use_cases() == ""
    monkeypatch.setenv("ML_PIPELINE_USE_CASES", str(tmp_path))
    assert stack.use_cases() == str(tmp_path)
    monkeypatch.setenv("ML_PIPELINE_USE_CASES", f"{tmp_path}:/elsewhere")
    with pytest.raises(stack.StackError, match="must name one folder"):
        stack.use_cases()


def test_what_a_killed_task_left_is_gone_at_the_next_start_and_own_settings_stay(place: Path) -> None:
    stack.prepare(place)
    (place / "handover/ml-pipeline-secrets-1").mkdir()
    (place / "airflow.env").write_text("AIRFLOW__SMTP__SMTP_HOST=mail\n")
    stack.prepare(place)
    assert list((place / "handover").iterdir()) == []
    assert (place / "airflow.env").read_text() == "AIRFLOW__SMTP__SMTP_HOST=mail\n"
    assert {(place / name).stat().st_mode & 0o777 for name in (".", "handover", "secrets")} == {0o700}


def test_official_images_where_a_registry_answers_ours_elsewhere_and_what_is_named_before_both(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    monkeypatch.setattr(build, "base_image", lambda client: "sha256:base")
    monkeypatch.setattr(build, "build", lambda client, recipe, parent: built.append(recipe.name))
    monkeypatch.setattr(stack_images, "_build", lambda client, folder, base, name: built.append(folder))
    monkeypatch.setenv("STORE_IMAGE", "registry.example/store:1")
    monkeypatch.setattr(engine, "present", lambda image: image == engine.OFFICIAL)
    there = stack_images.settings(None)
    assert (there["POSTGRES_IMAGE"], there["REDIS_IMAGE"]) == ("postgres:17", "redis:7")
    assert built == ["airflow", "proxy"]
    built.clear()
    monkeypatch.setattr(engine, "present", lambda image: False)
    here = stack_images.settings(None)
    assert (here["POSTGRES_IMAGE"], here["STORE_IMAGE"]) == ("ml-pipeline/postgres:latest", "registry.example/store:1")
    assert built == ["airflow", "proxy", "postgres", "redis"]


def test_a_command_that_there_is_none_of_and_a_stack_that_was_never_started(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stack.main([]) == stack.main(["fly"]) == 2
    assert "up [--celery]" in capsys.readouterr().err
    assert stack.main(["down"]) == stack.main(["logs"]) == 1
    assert f"stack: no stack was started in {place}" in capsys.readouterr().err


def test_what_does_not_stay_up_is_given_up_with_its_last_words(capsys: pytest.CaptureFixture[str]) -> None:
    well, ended = {"Status": "running", "Health": {"Status": "healthy"}}, {"Status": "exited", "ExitCode": 0}
    containers = [_container("store", well), _container("prepare", ended)]
    stack_health.wait(_engine(containers), "some")
    assert capsys.readouterr().out == "stack: prepare is done\nstack: store is healthy\n"
    failed = _container("online", {"Status": "restarting"}, restarts=stack_health.TRIES)
    with pytest.raises(stack_health.UnhealthyError, match=r"online \(restarting\), its last words:\nno champion"):
        stack_health.wait(_engine([*containers, failed]), "some")
    assert not stack_health.well({"Status": "exited", "ExitCode": 1})


def _container(service: str, state: dict[str, Any], restarts: int = 0) -> Any:
    return SimpleNamespace(
        attrs={"State": state, "RestartCount": restarts},
        labels={stack_health.SERVICE: service},
        status=state["Status"],
        logs=lambda tail: b"no champion",
    )


def _engine(containers: list[Any]) -> Any:
    return SimpleNamespace(containers=SimpleNamespace(list=lambda **asked: containers))


@pytest.fixture
def socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Something that looks like an engine's socket."""
    import socket as sockets

    path = tmp_path / "s"
    with sockets.socket(sockets.AF_UNIX) as made:
        made.bind(str(path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    return path
