"""The proxy before the engine's socket, with an engine that only writes down what it is asked; and once the real one.

What a stage's operator asks for is let through. Whoever could ask for more would be root on the machine.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from docker.errors import APIError, DockerException
from docker.types import LogConfig, Mount
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline_airflow.docker_client import BoundedClient, Limits

from containers import build, stack, stack_images
from tests.airflow_site import PATIENCE, wait

pytestmark = pytest.mark.containers

USER, NETWORK, OUT, HANDOVER = "10001:10001", "stack.1_stages", "stack.1_outside", "/srv/stack.1/handover"
CREATE = "/v1.41/containers/create"
OPTION = ["no-new-privileges"]
JSON = {"Content-Type": "application/json"}


class Asked(NamedTuple):
    """A request that reached the engine."""

    method: str
    path: str
    body: bytes


class StandIn(ThreadingMixIn, UnixStreamServer):
    """An engine that agrees to everything."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.asked: list[Asked] = []
        super().__init__(str(path), _Answers)


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        assert isinstance(self.server, StandIn)
        self.server.asked.append(Asked(self.command, self.path, body))
        said = json.dumps({"Id": "c1", "ApiVersion": "1.41", "NCPU": 2, "Warnings": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None:
        """It says nothing."""


class Proxy(NamedTuple):
    """Where it answers, and what the engine behind it was asked."""

    port: int
    engine: StandIn

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> int:
        """The status."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, body, headers or JSON)
            return connection.getresponse().status

    def create(self, body: Any) -> int:
        """The status for a container of this description, in JSON or as it stands."""
        return self.ask("POST", CREATE, body if isinstance(body, bytes) else json.dumps(body).encode())

    def send(self, sent: bytes) -> bytes:
        """What comes back for bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                return b"".join(iter(lambda: connection.recv(65536), b""))
        return b""


@pytest.fixture(scope="module")
def image() -> str:
    """Of the proxy, as `make up` builds it."""
    with closing(build.connect()) as client:
        own = stack_images.Variable("PROXY_IMAGE", "proxy")
        return stack_images._image(client, own, build.base_image(client))


@contextmanager
def at_work(image: str, engine: str, group: int) -> Iterator[int]:
    """The proxy before an engine's socket; its port on this machine."""
    with closing(build.connect()) as client:
        container = client.containers.run(
            image,
            detach=True,
            user=f"10001:{group}",
            environment={"STACK_USER": "10001", "STAGES_NETWORK": NETWORK, "INGEST_NETWORK": OUT, "HANDOVER": HANDOVER},
            mounts=[Mount("/var/run/docker.sock", engine, type="bind")],
            ports={"2375/tcp": ("127.0.0.1", None)},
        )
        try:
            container.reload()
            port = int(container.ports["2375/tcp"][0]["HostPort"])
            wait(lambda: _answers(port), 60, lambda: container.logs().decode())
            yield port
        finally:
            container.remove(force=True)


def _answers(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/_ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


@pytest.fixture(scope="module")
def proxy(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Before the engine that agrees to everything."""
    path = tmp_path_factory.mktemp("engine") / "socket"
    with StandIn(path) as engine:
        path.chmod(0o666)
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        with at_work(image, str(path), 10001) as port:
            yield Proxy(port, engine)
        engine.shutdown()


@pytest.fixture(scope="module")
def order(proxy: Proxy) -> dict[str, Any]:
    """A stage's container as its operator's client describes it; let through."""
    with closing(operators(proxy.port)) as client:
        made(client, "sha256:0123", _secret(f"{HANDOVER}/ml-pipeline-secrets-a_1/aws-credentials"))
    (asked,) = [asked for asked in proxy.engine.asked if asked.path.startswith(CREATE)]
    found: dict[str, Any] = json.loads(asked.body)
    return found


def operators(port: int) -> BoundedClient:
    """The client of a stage's operator."""
    return BoundedClient(Limits(64 << 20, 1.0), base_url=f"tcp://127.0.0.1:{port}", version="1.41")


def made(client: BoundedClient, image: str, *mounts: Mount) -> str:
    """The id of a container that is made as the operator does it."""
    log = LogConfig(type="json-file", config={"max-size": "20m", "max-file": "2"})
    host = client.create_host_config(mounts=list(mounts), network_mode="none", log_config=log)
    container = client.create_container(
        image=image,
        name="ml-pipeline-test-of-proxy",
        labels={"ml-pipeline.use-case": "caf\u00e9", "ml-pipeline.map-index": "-1"},
        host_config=host,
        detach=True,
        command=["stage", json.dumps({"user": "root", "parameters": {"a.b": '"Privileged": true', "c": ": \\"}})],
        environment={"ML_PIPELINE_STORE": "s3://a", "HOME": "/tmp"},
        user=USER,
    )
    return str(container["Id"])


def _secret(path: str) -> Mount:
    return Mount("/run/secrets/aws-credentials", path, type="bind", read_only=True)


def mount(source: str, **more: Any) -> dict[str, Any]:
    """A bind mount, as the engine's API has it."""
    return {"Mounts": [{"Target": "/x", "Source": source, "Type": "bind", "ReadOnly": True, **more}]}


HOST: dict[str, dict[str, Any]] = {
    "privileged": {"Privileged": True},
    "privileged, spelt otherwise": {"pRiViLeGeD": True},
    "the machine's processes": {"PidMode": "host"},
    "another container's processes": {"PidMode": "container:store"},
    "the machine's shared memory": {"IpcMode": "host"},
    "another container's shared memory": {"IpcMode": "container:store"},
    "the machine's network": {"NetworkMode": "host"},
    "another container's network": {"NetworkMode": "container:database"},
    "the network of all other containers": {"NetworkMode": "bridge"},
    "no word of a network": {"NetworkMode": None},
    "the network of Airflow": {"NetworkMode": "stack.1_backend"},
    "a network of almost that name": {"NetworkMode": "stackx1_stages"},
    "the machine's users": {"UsernsMode": "host"},
    "the machine's name": {"UTSMode": "host"},
    "the machine's groups of processes": {"CgroupnsMode": "host"},
    "a group of processes": {"CgroupParent": "/"},
    "another's group of processes": {"Cgroup": "container:store"},
    "the machine's files": {"Binds": ["/:/machine"]},
    "the engine's socket": {"Binds": ["/var/run/docker.sock:/s"]},
    "the root": mount("/"),
    "the root, to read": mount("/", ReadOnly=True),
    "the socket": mount("/var/run/docker.sock"),
    "settings": mount("/etc"),
    "the folder itself": mount(HANDOVER),
    "a folder in it": mount(f"{HANDOVER}/a"),
    "a way out of it": mount(f"{HANDOVER}/../secrets"),
    "a longer way out of it": mount(f"{HANDOVER}/a/../../secrets"),
    "a detour": mount(f"{HANDOVER}/./a"),
    "too deep": mount(f"{HANDOVER}/a/b/c"),
    "a folder of almost that name": mount("/srv/stackx1/handover/a/b"),
    "the folder in capitals": mount(f"{HANDOVER.upper()}/a/b"),
    "with a slash at its end": mount(f"{HANDOVER}/a/b/"),
    "to be written": mount(f"{HANDOVER}/a/b", ReadOnly=False),
    "to be written, by saying nothing": mount(f"{HANDOVER}/a/b", ReadOnly=None),
    "to be written, spelt otherwise": mount(f"{HANDOVER}/a/b", readonly=False),
    "spread to the machine": mount(f"{HANDOVER}/a/b", BindOptions={"Propagation": "rshared"}),
    "a volume of another": {"Mounts": [{"Target": "/x", "Source": "stack_store", "Type": "volume", "ReadOnly": True}]},
    "a volume that is a bind": {
        "Mounts": [
            {
                "Target": "/x",
                "Type": "volume",
                "ReadOnly": True,
                "VolumeOptions": {"DriverConfig": {"Options": {"type": "none", "o": "bind", "device": "/"}}},
            }
        ]
    },
    "what other containers see": {"VolumesFrom": ["proxy"]},
    "a driver of volumes": {"VolumeDriver": "plugin"},
    "capabilities": {"CapAdd": ["SYS_ADMIN"]},
    "groups": {"GroupAdd": ["docker"]},
    "devices": {"Devices": [{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]},
    "rules of devices": {"DeviceCgroupRules": ["a *:* rwm"]},
    "devices of a file of the machine": {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["vendor.com/x=all"]}]},
    "no filter of system calls": {"SecurityOpt": [*OPTION, "seccomp=unconfined"]},
    "no profile": {"SecurityOpt": ["apparmor=unconfined"]},
    "new rights": {"SecurityOpt": ["no-new-privileges:false"]},
    "no word of new rights": {"SecurityOpt": []},
    "labels of the machine": {"SecurityOpt": None},
    "settings of the kernel": {"Sysctls": {"kernel.core_pattern": "|/x"}},
    "another runtime": {"Runtime": "other"},
    "never to be ended for memory": {"OomScoreAdj": -1000},
    "never to be ended for memory at all": {"OomKillDisable": True},
    "limits of its own": {"Ulimits": [{"Name": "nproc", "Soft": -1, "Hard": -1}]},
    "what is hidden of the machine": {"MaskedPaths": []},
    "what may not be written of the machine": {"ReadonlyPaths": []},
    "ports": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}},
    "all ports": {"PublishAllPorts": True},
    "links": {"Links": ["store:store"]},
    "a log that goes elsewhere": {"LogConfig": {"Type": "syslog", "Config": {"syslog-address": "unix:///run/x"}}},
    "a log with files of the machine": {"LogConfig": {"Type": "splunk", "Config": {"splunk-capath": "/etc/shadow"}}},
    "annotations": {"Annotations": {"run.oci.keep_original_groups": "1"}},
    "to be started for ever": {"RestartPolicy": {"Name": "always"}},
    "what nobody knows yet": {"NewWayOut": "host"},
}
TOP: dict[str, dict[str, Any]] = {
    "root": {"User": "root"},
    "nobody named": {"User": ""},
    "null": {"User": None},
    "another user": {"User": "1000:1000"},
    "another group": {"User": "10001:0"},
    "the user without a group": {"User": "10001"},
    "no settings of the machine": {"HostConfig": None},
    "settings in the old place": {"Privileged": True},
    "binds in the old place": {"Binds": ["/:/machine"]},
    "another network": {"NetworkingConfig": {"EndpointsConfig": {"stack.1_backend": {}}}},
    "volumes": {"Volumes": {"/x": {}}},
    "root, spelt otherwise": {"user": "root"},
    "a second word on rights": {"hostconfig": {"SecurityOpt": OPTION}},
    "nothing after all": {"hostConfig": None},
}


@pytest.mark.parametrize("name", HOST)
def test_what_a_stage_does_not_need_of_the_machine_is_refused(proxy: Proxy, order: dict[str, Any], name: str) -> None:
    refused(proxy, {**order, "HostConfig": {**order["HostConfig"], **HOST[name]}})


@pytest.mark.parametrize("name", TOP)
def test_nor_is_a_container_of_another_kind(proxy: Proxy, order: dict[str, Any], name: str) -> None:
    refused(proxy, {**order, **TOP[name]})


def refused(proxy: Proxy, body: Any) -> None:
    """It is, and the engine hears nothing of it."""
    before = len(proxy.engine.asked)
    assert proxy.create(body) == 403
    assert len(proxy.engine.asked) == before


def test_what_is_said_in_another_place_is_not_said(proxy: Proxy, order: dict[str, Any]) -> None:
    """The engine passes over names that it does not know, and over all that follows the first value."""
    bare = {name: value for name, value in order.items() if name != "User"}
    host = {name: value for name, value in order["HostConfig"].items() if name != "SecurityOpt"}
    loose = {name: value for name, value in order["HostConfig"].items() if name != "NetworkMode"}
    whole, said = json.dumps(order).encode(), json.dumps({"User": USER, "HostConfig": {"SecurityOpt": OPTION}}).encode()
    for body in (
        {**bare, "Labels": {"User": USER}},
        {**bare, "HostConfig": {**order["HostConfig"], "User": USER}},
        {**bare, "Cmd": [{"User": USER}]},
        {**order, "HostConfig": host, "Labels": {"SecurityOpt": OPTION}},
        {**order, "HostConfig": host, "SecurityOpt": OPTION},
        {**order, "HostConfig": loose},
        {**order, "HostConfig": loose, "NetworkMode": NETWORK},
        {**order, "HostConfig": {**host, "LogConfig": {"SecurityOpt": OPTION}}},
        {**order, "HostConfig": [order["HostConfig"]]},
        [order],
        json.dumps(bare).encode() + said,
        json.dumps({**order, "HostConfig": host}).encode() + b"\n" + said,
        b"{}" + whole,
        b"null " + whole,
        b'"' + whole,
    ):
        refused(proxy, body)


def test_the_last_of_two_that_are_alike_counts(proxy: Proxy, order: dict[str, Any]) -> None:
    body = json.dumps(order)
    for once, more in (
        ('"ReadonlyRootfs"', '"Privileged": false, "Privileged": true, "ReadonlyRootfs"'),
        ('"SecurityOpt"', '"SecurityOpt": [], "SecurityOpt"'),
        ('"SecurityOpt"', f'"SecurityOpt": {json.dumps(OPTION)}, "securityopt": null, "X"'),
        ('"Labels"', '"User": "root", "Labels"'),
        ('"Labels"', '"USER": null, "Labels"'),
        ('"Labels"', '"HostConfig": {}, "Labels"'),
        ('"ReadOnly": true', '"ReadOnly": true, "ReadOnly": false'),
        ('"Type": "bind"', '"Type": "bind", "type": "volume"'),
        ('"Type": "json-file"', '"Type": "json-file", "Type": "syslog"'),
    ):
        assert once in body
        refused(proxy, body.replace(once, more, 1).encode())


def test_nothing_is_hidden_from_it(proxy: Proxy, order: dict[str, Any]) -> None:
    body = json.dumps(order)
    for once, other in (
        ('"Labels"', '"Privil\\u0065ged": true, "Labels"'),
        ('"ReadonlyRootfs"', '"\\u0050rivileged": true, "ReadonlyRootfs"'),
        ('"ReadonlyRootfs"', '"Privileged"\t\r\n :\n true, "ReadonlyRootfs"'),
        ('"ReadonlyRootfs"', '"Bind\u017f": ["/:/x"], "ReadonlyRootfs"'),
        ('"ReadonlyRootfs"', '"Bind\\u017f": ["/:/x"], "ReadonlyRootfs"'),
        ('"ReadonlyRootfs"', '"NetworkMode"\n:"host", "ReadonlyRootfs"'),
        (HANDOVER, "\\/etc"),
        (HANDOVER, f"{HANDOVER}/a/b/\\u002e\\u002e/\\u002e\\u002e"),
        (f'"{HANDOVER}', f'"/etc", "Source": "{HANDOVER}'),
    ):
        assert once in body
        refused(proxy, body.replace(once, other, 1).encode())


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b"[]", b"{}", b"null", b'{"Image": "x"}', b"\xff\xfe", b"[" * 50_000]
)
def test_what_is_no_description_is_refused(proxy: Proxy, body: bytes) -> None:
    refused(proxy, body)


def test_a_body_that_is_not_all_here_is_refused(proxy: Proxy, order: dict[str, Any]) -> None:
    whole = json.dumps(order).encode()
    refused(proxy, whole[:-1] + b" " * 200_000 + b', "Privileged": true}')
    before = len(proxy.engine.asked)
    with closing(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE)) as connection:
        connection.request("POST", CREATE, iter([whole]), JSON, encode_chunked=True)
        assert connection.getresponse().status == 403
    head = f"POST {CREATE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n".encode()
    for length in (b"content-length: 5\r\ncontent-length: 900\r\n", b"content-length: +900\r\n", b""):
        assert b" 200 " not in proxy.send(head + length + b"\r\n" + whole)
    assert len(proxy.engine.asked) == before


def test_nor_does_http_2_get_in_where_a_body_may_be_without_a_length(proxy: Proxy, order: dict[str, Any]) -> None:
    before = len(proxy.engine.asked)
    for path, body in ((CREATE, json.dumps(order).encode()), ("/containers/c1/start", b'{"Privileged": true}')):
        assert b'{"Id"' not in proxy.send(http_2(path, body))
    assert len(proxy.engine.asked) == before


def http_2(path: str, body: bytes) -> bytes:
    """A POST by somebody who knows that the other side speaks HTTP/2 (RFC 9113, RFC 7541)."""

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return struct.pack("!I", len(payload))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + payload

    names = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x", "content-type": "application/json"}
    fields = b"".join(
        b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()
        for name, value in names.items()
    )
    opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
    return opening + frame(1, 4, 1, fields) + frame(0, 1, 1, body)


LET_THROUGH = [
    "GET /_ping",
    "GET /version",
    "GET /v1.41/info",
    "GET /v1.41/images/ml-pipeline/train:latest/json",
    "GET /v1.41/containers/c1/json",
    "GET /v1.41/containers/c1/logs?stderr=1&follow=1",
    "GET /v1.41/containers/c1/stats?stream=1",
    "POST /v1.41/containers/c1/start",
    "POST /v1.41/containers/c1/stop?t=2",
    "POST /v1.41/containers/c1/rename?name=c2",
    "DELETE /v1.41/containers/c1?v=True&force=True",
]
REFUSED = [
    "GET /containers/c1/archive?path=/",
    "PUT /containers/c1/archive?path=/",
    "GET /containers/c1/export",
    "GET /containers/c1/top",
    "GET /containers/json",
    "POST /containers/c1/exec",
    "POST /exec/e1/start",
    "POST /containers/c1/attach?stream=1",
    "GET /containers/c1/attach/ws",
    "POST /containers/c1/update",
    "POST /containers/c1/kill",
    "POST /containers/prune",
    "POST /containers/c1/start?checkpoint=x&checkpoint-dir=/etc",
    "POST /commit?container=c1",
    "POST /build",
    "POST /session",
    "POST /grpc",
    "POST /images/create?fromImage=x",
    "POST /images/load",
    "POST /images/x/push",
    "POST /images/x/tag?repo=y",
    "DELETE /images/x",
    "GET /images/json",
    "GET /images/x/get",
    "GET /distribution/x/json",
    "POST /auth",
    "GET /plugins",
    "POST /plugins/pull?remote=x",
    "GET /swarm",
    "POST /swarm/init",
    "GET /secrets",
    "GET /configs",
    "POST /services/create",
    "GET /nodes",
    "GET /networks",
    "POST /networks/create",
    "POST /networks/x/connect",
    "GET /volumes",
    "POST /volumes/create",
    "GET /events",
    "GET /system/df",
    "GET /containers/c1/../../volumes",
    "GET /containers/%2e%2e/volumes",
    "GET /containers/c1%2fexport/json",
    "GET /v1.41//containers/json",
    "GET /v1.23/containers/c1/json",
    "GET /v1.023/containers/c1/json",
    "GET /v01.41/containers/c1/json",
    "GET /v1/containers/c1/json",
    "POST /v1.12/containers/create",
    "POST /v1.41/v1.12/containers/create",
    "HEAD /containers/c1/archive?path=/",
    "OPTIONS /containers/create",
    "CONNECT /containers/c1/json",
]


@pytest.mark.parametrize("asked", LET_THROUGH)
def test_what_a_stage_needs_is_let_through(proxy: Proxy, asked: str) -> None:
    method, path = asked.split()
    assert proxy.ask(method, path) == 200
    assert proxy.engine.asked[-1][:2] == (method, path)


def test_containers_of_stages_are_listed_and_no_others(proxy: Proxy) -> None:
    store = quote('{"label": ["ml-pipeline.store=s3://a/b c"]}')
    with closing(operators(proxy.port)) as client:
        for more in ({}, {"all": True}):
            client.containers(filters={"label": "ml-pipeline.store=s3://ml-pipeline"}, **more)
            assert "ml-pipeline.store" in proxy.engine.asked[-1].path
    assert proxy.ask("GET", f"/containers/json?all=1&filters={store}") == 200
    before = len(proxy.engine.asked)
    for query in (
        "all=1",
        "all=1&filters=",
        "filters=" + quote('{"label": ["other=1"]}'),
        "filters=" + quote('{"label": ["ml-pipeline.store=x"], "label": []}'),
        "filters=" + quote('{"label": ["ml-pipeline.store=x"], "LABEL": []}'),
        "filters=" + quote('{"label": []} {"label": ["ml-pipeline.store=x"]}'),
        f"filters={{}}&filters={store}",
        f"%66ilters={{}}&filters={store}",
        f"filters={store}&%66ilters={{}}",
        f"Filters={{}}&filters={store}",
        f"all=1;filters={{}}&filters={store}",
    ):
        assert proxy.ask("GET", f"/containers/json?{query}") in (400, 403), query
    assert len(proxy.engine.asked) == before


@pytest.mark.parametrize("asked", REFUSED)
def test_all_else_is_refused(proxy: Proxy, asked: str) -> None:
    method, path = asked.split()
    before = len(proxy.engine.asked)
    assert proxy.ask(method, path) in (400, 403)
    assert len(proxy.engine.asked) == before


@pytest.mark.parametrize("asked", [asked for asked in LET_THROUGH if not asked.startswith("GET")])
def test_what_has_no_body_may_have_none(proxy: Proxy, asked: str) -> None:
    """Old engines took settings of a container that is started."""
    method, path = asked.split()
    before = len(proxy.engine.asked)
    assert proxy.ask(method, path, b'{"Privileged": true}') == 403
    with closing(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE)) as connection:
        connection.request(method, path, iter([b'{"Privileged": true}']), JSON, encode_chunked=True)
        assert connection.getresponse().status == 403
    assert len(proxy.engine.asked) == before


def test_a_graphics_card_and_names_of_machines_may_be_asked_for(proxy: Proxy, order: dict[str, Any]) -> None:
    card = {"Driver": "", "Count": -1, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}}
    host = {**order["HostConfig"], "DeviceRequests": [card], "ExtraHosts": ["db:10.0.0.1"], "ShmSize": 1 << 20}
    for network in ("none", NETWORK, OUT):
        assert proxy.create({**order, "HostConfig": {**host, "NetworkMode": network}}) == 200
    assert proxy.create({**order, "Env": ["NAME=\u00e9\u4e2d", 'X={"User": "root"}'], "Healthcheck": None}) == 200


def test_a_long_order_is_read_to_its_end(proxy: Proxy, order: dict[str, Any]) -> None:
    told = json.dumps({"parameters": {f"sources.s{number}.address": '"}]\\' for number in range(700)}})
    long = {**order, "Cmd": ["stage", told], "Env": [f"V{number}=[{{" for number in range(900)]}
    assert len(json.dumps(long)) > 35_000
    for body in (long, dict(reversed(long.items()))):
        assert proxy.create(body) == 200
        assert json.loads(proxy.engine.asked[-1].body) == body
        refused(proxy, {**body, "HostConfig": {**order["HostConfig"], "Privileged": True}})
        refused(proxy, {**body, "User": "root"})


def in_the_engines_eyes(body: str) -> dict[str, Any]:
    """What Go makes of JSON for its structures: the first value, names without regard to case, the last of them."""

    def merged(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            known = found.get(name.lower())
            if isinstance(known, dict) and isinstance(value, dict):
                known.update(value)
            else:
                found[name.lower()] = value
        return found

    value, _ = json.JSONDecoder(object_pairs_hook=merged).raw_decode(body)
    return value if isinstance(value, dict) else {}


PIECES = [
    f'"User": "{USER}"',
    '"user": "root"',
    '"User": null',
    f'"SecurityOpt": {json.dumps(OPTION)}',
    '"securityOpt": []',
    '"HostConfig": null',
    '"NetworkMode": "none"',
    '"NetworkMode": null',
    '"Privileged": true',
    '"Binds": ["/:/x"]',
    '"Labels": {"ml-pipeline.x": "}]\\"\\\\"}',
    '"Cmd": ["{\\"User\\": 1", ":", "]"]',
    '"Mounts": [{"Target": "/x", "Source": "/", "Type": "bind", "ReadOnly": true}]',
    '"Init": true',
]


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects of some pieces and of objects under names that matter."""
    named = st.builds('"{}": {}'.format, st.sampled_from(["HostConfig", "Labels", "LogConfig", "Config"]), inner)
    members = st.lists(st.sampled_from(PIECES) | named, max_size=4)
    return members.map(lambda own: "{" + ", ".join(own) + "}")


@given(
    before=st.lists(st.sampled_from(PIECES) | objects(st.just("{}")).map('"Labels": {}'.format), max_size=3),
    host=objects(objects(st.just("{}"))),
    after=st.lists(st.sampled_from(PIECES), max_size=2),
    rest=st.sampled_from(["", " ", f'{{"User": "{USER}"}}']),
    good=st.booleans(),
)
def test_whatever_is_let_through_is_no_more_than_a_stage_in_the_engines_eyes(
    proxy: Proxy, before: list[str], host: str, after: list[str], rest: str, good: bool
) -> None:
    own = f'{{"NetworkMode": "none", "SecurityOpt": {json.dumps(OPTION)}, "Init": true}}' if good else host
    body = "{" + ", ".join([*before, f'"HostConfig": {own}', *after]) + "}" + rest
    if proxy.create(body.encode()) == 200:
        seen = in_the_engines_eyes(body)
        assert seen["user"] == USER
        assert seen["hostconfig"]["securityopt"] == OPTION
        assert seen["hostconfig"]["networkmode"] == "none"
        assert not {"privileged", "binds", "mounts"} & {*seen, *seen["hostconfig"]}


def test_the_real_engine_makes_what_a_stage_is_and_nothing_else(image: str) -> None:
    path = Path(stack.SOCKET)
    with at_work(image, str(path), path.stat().st_gid) as port, closing(operators(port)) as client:
        container = made(client, image)
        try:
            found = client.inspect_container(container)
            assert found["Config"]["User"] == USER
            assert found["HostConfig"]["SecurityOpt"] == OPTION
            assert (found["HostConfig"]["Privileged"], found["HostConfig"]["CapDrop"]) == (False, ["ALL"])
            client.start(container)
            client.stop(container, timeout=0)
            for forbidden in (
                lambda: client.exec_create(container, "id"),
                lambda: client.get_archive(container, "/etc/passwd"),
                client.containers,
                lambda: client.create_container(image, host_config={"Privileged": True, "NetworkMode": "none"}),
            ):
                with pytest.raises(APIError, match="403"):
                    forbidden()
        finally:
            with suppress(DockerException):
                client.remove_container(container, force=True)
