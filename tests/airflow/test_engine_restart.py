"""A container engine that goes away while a stage runs. It is one of its own: nobody else's containers are on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest
from requests.exceptions import RequestException

from tests.airflow.worker import IMAGE, PATIENCE, Worker, until

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.containers,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("dockerd"), reason="only root starts an engine"),
]
TAG = "stand-in:small"
LEFT_OUT = [f"--exclude=./{folder}" for folder in ("boot", "opt", "tmp", "usr/share", "var")]


class Engine:
    """A dockerd with socket, state and data in a folder; containers survive its end where it is to live-restore."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, f"unix://{folder}/docker.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self.live_restore = False

    def start(self, *, live_restore: bool) -> None:
        self.live_restore = live_restore
        (self.folder / "daemon.json").write_text(json.dumps({"live-restore": live_restore}))
        places = {"data-root": "data", "exec-root": "run", "pidfile": "pid", "config-file": "daemon.json"}
        own = [f"--{name}={self.folder / place}" for name, place in places.items()]
        # In a network of its own: an engine that is to have no bridge removes the one of the machine's.
        command = ["unshare", "--net", "dockerd", f"--host={self.url}", "--bridge=none", "--iptables=false", *own]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        until(self.answers)

    def answers(self) -> bool:
        try:
            with closing(docker.APIClient(base_url=self.url, version="1.41")) as client:
                client.ping()
        except (docker.errors.DockerException, RequestException):
            return False
        return True

    def end(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(PATIENCE)

    def load(self, image: str) -> None:
        """The programs of the image with the stand-in, without what it does not need."""
        pack = ["docker", "run", "--rm", "--user=0", "--entrypoint=tar", image]
        pack += [
            "--create",
            "--one-file-system",
            *LEFT_OUT,
            "--exclude=./stand_in.py",
            "--directory=/",
            ".",
            "/stand_in.py",
        ]
        changes = ["LABEL ml-pipeline.contents=sha256:small", 'ENTRYPOINT ["tini", "--", "python3", "/stand_in.py"]']
        options = [f"--change={change}" for change in changes]
        with subprocess.Popen(pack, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as packed:
            command = ["docker", "--host", self.url, "import", *options, "-", TAG]
            subprocess.run(command, stdin=packed.stdout, stdout=subprocess.DEVNULL, check=True)
        assert packed.returncode == 0

    def clear(self) -> None:
        """End all that was started here: an engine that is not to live-restore takes its containers with it."""
        self.end()
        if self.live_restore:
            self.start(live_restore=False)
            self.end()
        left = [
            line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.folder) in line
        ]
        subprocess.run(["umount", "--lazy", *left], check=bool(left), capture_output=True)
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def own_engine(engine: docker.DockerClient) -> Iterator[Engine]:
    own = Engine(Path(tempfile.mkdtemp(prefix="ml-pipeline-engine-", dir="/var/tmp")))
    try:
        own.start(live_restore=True)
        own.load(IMAGE)
        yield own
    finally:
        own.clear()


@pytest.mark.parametrize("live_restore", [True, False])
def test_a_stage_goes_on_where_its_container_does_and_else_the_error_says_why(
    own_engine: Engine, demo: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, live_restore: bool
) -> None:
    monkeypatch.setenv("DOCKER_HOST", own_engine.url)
    worker = Worker(shared.parent, {"image": TAG, "how": "gated"}, {})
    until(lambda: list(shared.glob("demo/started-*")))
    own_engine.end()
    own_engine.start(live_restore=live_restore)
    if live_restore:
        (shared / "demo" / "gate").touch()
        assert worker.outcome()["steps"]["split"]["status"] == "done"
        assert len(list(shared.glob("demo/started-*"))) == 1
        return
    kind, text = worker.outcome()
    assert kind == "AirflowException"
    assert "from outside: by a person, or by an engine that restarts and is not set to live-restore" in text
    (shared / "demo" / "gate").touch()
    again = Worker(shared.parent, {"image": TAG, "how": "gated"}, {"try_number": 2})
    assert again.outcome()["steps"]["split"]["status"] == "done"
