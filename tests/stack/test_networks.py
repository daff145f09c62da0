"""The two networks of stages, as docker-compose.yaml declares them, on the real engine: which packets arrive.

The world beyond this machine is a network namespace behind a pair of virtual cards, to which this machine routes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from tests.airflow.worker import until

pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a world beyond this machine"),
]
COMPOSE = Path(__file__).parents[2] / "docker-compose.yaml"
IMAGE = "ml-pipeline/serve:latest"
PORT = 8333
OWN = os.getpid() % 250
ROUTER, WORLD = f"10.214.{OWN}.1", f"10.214.{OWN}.2"
SERVER = ["-m", "http.server", str(PORT)]
PROBE = """
import socket, sys
for host in sys.argv[2:]:
    try:
        socket.create_connection((host, int(sys.argv[1])), timeout=3).close()
        print(host)
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    made = docker.from_env()
    yield made
    made.close()


@pytest.fixture(scope="module")
def networks(client: docker.DockerClient) -> Iterator[dict[str, str]]:
    """Name in docker-compose.yaml -> name on the engine."""
    declared = yaml.safe_load(COMPOSE.read_text())["networks"]
    wanted = {name: declared[name].get("internal", False) for name in ("backend", "stages", "outside")}
    made = {name: client.networks.create(f"probe-{os.getpid()}-{name}", internal=own) for name, own in wanted.items()}
    yield {name: network.name for name, network in made.items()}
    for network in made.values():
        network.remove()


@pytest.fixture(scope="module")
def hosts(client: docker.DockerClient, networks: dict[str, str]) -> Iterator[dict[str, str]]:
    """Address -> who answers there."""
    with ExitStack() as running:
        addresses = {running.enter_context(_serving(client, networks[name])): name for name in ("backend", "stages")}
        running.enter_context(_world())
        yield {**addresses, WORLD: "the world"}


def test_packets_of_stages_reach_their_own_network_and_no_other(
    client: docker.DockerClient, networks: dict[str, str], hosts: dict[str, str]
) -> None:
    assert _reached(client, networks["stages"], hosts) == {"stages"}


def test_packets_of_stages_that_fetch_records_get_out_and_still_reach_no_service_of_the_stack(
    client: docker.DockerClient, networks: dict[str, str], hosts: dict[str, str]
) -> None:
    assert _reached(client, networks["outside"], hosts) == {"the world"}


def _reached(client: docker.DockerClient, network: str, hosts: dict[str, str]) -> set[str]:
    options = {"entrypoint": ["python3", "-c", PROBE, str(PORT)], "network": network, "remove": True}
    return {hosts[host] for host in client.containers.run(IMAGE, [*hosts], **options).decode().split()}


@contextmanager
def _serving(client: docker.DockerClient, network: str) -> Iterator[str]:
    """The address of a server on a network."""
    server = client.containers.run(IMAGE, SERVER, entrypoint=["python3"], network=network, detach=True)
    try:
        until(lambda: _answers(server))
        server.reload()
        yield server.attrs["NetworkSettings"]["Networks"][network]["IPAddress"]
    finally:
        server.remove(force=True)


def _answers(server: Any) -> bool:
    itself = ["python3", "-c", PROBE, str(PORT), "127.0.0.1"]
    return bool(server.exec_run(itself).output)


@contextmanager
def _world() -> Iterator[None]:
    """A server beyond this machine."""
    space, near, far = f"world-{OWN}", f"near-{OWN}", f"far-{OWN}"
    _ip(f"netns add {space}")
    try:
        _ip(f"link add {near} type veth peer name {far} netns {space}")
        _ip(f"address add {ROUTER}/30 dev {near}")
        _ip(f"link set {near} up")
        _ip(f"-n {space} address add {WORLD}/30 dev {far}")
        _ip(f"-n {space} link set {far} up")
        _ip(f"-n {space} route add default via {ROUTER}")
        with subprocess.Popen(
            ["ip", "netns", "exec", space, sys.executable, *SERVER], stderr=subprocess.DEVNULL
        ) as own:
            until(lambda: _is_there(WORLD))
            yield
            own.kill()
    finally:
        _ip(f"netns delete {space}")


def _is_there(host: str) -> bool:
    done = subprocess.run([sys.executable, "-c", PROBE, str(PORT), host], capture_output=True, check=True)
    return bool(done.stdout)


def _ip(words: str) -> None:
    """Raises: CalledProcessError: this machine lets nobody make networks."""
    subprocess.run(["ip", *words.split()], check=True)
