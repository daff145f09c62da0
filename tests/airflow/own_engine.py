"""A container engine of one's own, to be ended and started again: nobody else's containers are on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import docker
from requests.exceptions import RequestException

from tests.airflow.worker import PATIENCE, until

CAN_START = os.geteuid() == 0 and bool(shutil.which("dockerd"))
"""Only root starts an engine."""

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
        alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec dockerd "$@"', "dockerd"]
        command = [*alone, f"--host={self.url}", "--bridge=none", "--iptables=false", *own]
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
