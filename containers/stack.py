"""The stack of docker-compose.yaml: `python containers/stack.py up [--celery] | down [--volumes] | logs [SERVICE…]`.

`up` makes what is missing (secrets, images, a compose program on Debian), starts everything, waits until all of it is
healthy and says where it is. Settings are variables of the environment: COMPOSE_PROJECT_NAME, STACK_FOLDER,
AIRFLOW_PORT, API_PORT, STORE_PORT (empty: any free one), ML_PIPELINE_USE_CASES (one folder), and the images.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from containers import build, engine, stack_health, stack_images, stack_secrets  # noqa: E402
from ml_pipeline.artifacts.process import write_private  # noqa: E402

NAME = "ml-pipeline"
USER = 10001
"""Who the services are where root starts them; elsewhere they are who starts them."""
SOCKET = "/var/run/docker.sock"
STAGE = "ml-pipeline.use-case"
"""A label that every stage's container has."""
NETWORKS = ("stages", "outside")
"""Where stages' containers are, those that fetch records on the second."""
SETTINGS = "settings.env"
OPTIONAL = ("AIRFLOW_PORT", "API_PORT", "STORE_PORT", "AIRFLOW_PARALLELISM", "API_IMAGE")
"""Variables that docker-compose.yaml has a value for where they are not set."""


class StackError(Exception):
    """What is wrong and what to do, in a sentence."""


def main(arguments: list[str]) -> int:
    """Exit code 0 when it is done, 1 with a sentence when it cannot be, 2 for a command that there is none of."""
    from docker.errors import DockerException

    commands = {"up": up, "down": down, "logs": logs}
    if not arguments or arguments[0] not in commands:
        print((__doc__ or "").splitlines()[0], file=sys.stderr)
        return 2
    try:
        commands[arguments[0]](arguments[1:])
    except (StackError, stack_health.UnhealthyError, build.BuildError, engine.EngineError, DockerException) as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    return 0


def up(options: list[str]) -> None:
    """Start everything, and return once all of it is healthy.

    Raises:
        UnhealthyError: something does not become so; with its last words.
    """
    client, folder = build.connect(), place()
    chosen = settings(folder, "--celery" in options)
    refuse_orphans(client, folder)
    prepare(folder)
    stop_workers(folder, chosen)
    write_settings(folder, chosen | stack_images.settings(client))
    start(client)
    stack_health.wait(client, project())
    print("\n".join(addresses(client, folder)))


def start(client: Any) -> None:
    """Start all services in their order.

    Raises:
        UnhealthyError: one that others wait for does not become healthy.
    """
    try:
        compose("up", "--detach", "--remove-orphans")
    except subprocess.CalledProcessError as error:
        found = stack_health.services(client, project())
        unwell = {name: one for name, one in found.items() if not stack_health.well(one.attrs["State"])}
        raise stack_health.UnhealthyError(stack_health.complaint(unwell)) from error


def refuse_orphans(client: Any, folder: Path) -> None:
    """A database opens to the password it was made with; one whose secrets are gone would never become healthy.

    Raises:
        StackError: there are volumes and no secrets.
    """
    found = client.volumes.list(filters={"label": f"{stack_health.PROJECT}={project()}"})
    if found and not (folder / stack_secrets.FOLDER).is_dir():
        names = " ".join(sorted(volume.name for volume in found))
        raise StackError(
            f"{names} are there, the secrets they were made with are not in {folder}; put them back, or "
            "remove the volumes with all that is in them: `docker volume rm`"
        )


def stop_workers(folder: Path, chosen: Mapping[str, str]) -> None:
    """What ran under a profile that is not chosen any more would run on."""
    kept = folder / SETTINGS
    if "COMPOSE_PROFILES" not in chosen and kept.is_file() and "COMPOSE_PROFILES" in kept.read_text():
        compose("rm", "--stop", "--force", "worker", "queue")


def down(options: list[str]) -> None:
    """Stop and remove everything, also stages that run or were kept; data stays, unless `--volumes` says otherwise."""
    compose("stop")
    client = build.connect()
    networks = [f"{project()}_{name}" for name in NETWORKS]
    ours = {"network": networks, "label": STAGE}
    for container in client.containers.list(all=True, ignore_removed=True, filters=ours):
        container.remove(force=True, v=True)
    compose("down", "--remove-orphans", *(["--volumes"] if "--volumes" in options else []))


def logs(services: list[str]) -> None:
    """Follow what the services say."""
    compose("logs", "--follow", "--tail", "100", *services)


def project() -> str:
    """The name by which the engine tells this stack from others."""
    return os.environ.get("COMPOSE_PROJECT_NAME") or NAME


def place() -> Path:
    """The folder with the secrets and settings, which the engine must see at the same path."""
    return Path(os.environ.get("STACK_FOLDER") or ROOT / ".ml-pipeline" / "stack").absolute()


def prepare(folder: Path) -> None:
    """The folder with what belongs there; what a task that was killed left in `handover` is gone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    stack_secrets.make(folder, user())
    shutil.rmtree(folder / "handover", ignore_errors=True)
    (folder / "handover").mkdir(mode=0o700)
    stack_secrets.give(folder / "handover", user())
    own = folder / "airflow.env"
    if not own.exists():
        own.write_text("# Further settings of Airflow, such as AIRFLOW__SMTP__SMTP_HOST=mail; no secrets.\n")


def user() -> int:
    """The user id of all services, never root's."""
    return os.getuid() or USER


def settings(folder: Path, celery: bool) -> dict[str, str]:
    """The variables of docker-compose.yaml, but for the images."""
    socket = os.environ.get("DOCKER_HOST", SOCKET).removeprefix("unix://")
    if not Path(socket).is_socket():
        raise StackError(f"the engine must be this machine's, not {socket}; unset DOCKER_HOST, or run this there")
    own = use_cases()
    workers = {"COMPOSE_PROFILES": "celery", "AIRFLOW_EXECUTOR": "CeleryExecutor"} if celery else {}
    return {
        "COMPOSE_PROJECT_NAME": project(),
        "STACK_FOLDER": str(folder),
        "STACK_USER": str(user()),
        "DOCKER_SOCKET": socket,
        "SOCKET_GROUP": str(Path(socket).stat().st_gid if sys.platform == "linux" else 0),
        **{name: os.environ[name] for name in OPTIONAL if name in os.environ},
        **({"USE_CASES_FOLDER": own} if own else {}),
        **workers,
    }


def use_cases() -> str:
    """The folder of the user's own use cases; empty where there is none."""
    own = os.environ.get("ML_PIPELINE_USE_CASES", "")
    if own and not Path(own).is_dir():
        raise StackError(f"ML_PIPELINE_USE_CASES must name one folder for the stack, not {own!r}")
    return str(Path(own).absolute()) if own else ""


def write_settings(folder: Path, values: Mapping[str, str]) -> None:
    """Keep them, so that `down` and `logs` mean what `up` started."""
    write_private(folder / SETTINGS, "".join(f"{name}={value}\n" for name, value in values.items()))


def compose(*command: str) -> None:
    """Call the compose program that is there with the settings that were kept."""
    kept = place() / SETTINGS
    if not kept.is_file():
        raise StackError(f"no stack was started in {place()}; run `make up`")
    file = ["--file", str(ROOT / "docker-compose.yaml"), "--env-file", str(kept)]
    subprocess.run([*program(), "--project-name", project(), *file, *command], check=True)


def program() -> list[str]:
    """Compose v2, which is a plugin, or Debian's v1, installed where neither is there."""
    plugin = ["docker", "compose"]
    if shutil.which("docker") and not subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode:
        return plugin
    if not shutil.which("docker-compose"):
        engine.require_debian_and_root()
        engine.install("docker-compose", "docker-compose")
    return ["docker-compose"]


def addresses(client: Any, folder: Path) -> Iterable[str]:
    """Where everything is, and where what lets one in is."""
    ports = published(client, project())
    yield f"Airflow         {ports['api-server']}  user admin, password in {stack_secrets.password(folder)}"
    yield f"online service  {ports['online']}  bearer token in {folder / stack_secrets.TOKEN}"
    yield f"object store    {ports['store']}  s3://ml-pipeline, keys in {folder / 'secrets/store_credentials'}"


def published(client: Any, name: str) -> dict[str, str]:
    """Service -> its address on this machine."""
    return {
        service: f"http://{bound[0]['HostIp']}:{bound[0]['HostPort']}"
        for service, container in stack_health.services(client, name).items()
        for bound in container.ports.values()
        if bound
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
