"""A Docker engine of one's own, whose daemon is killed as on a usual host: what keeps its containers lives on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from ml_pipeline_airflow.identity import RUN

from tests.airflow.worker import PATIENCE, until

OWN = os.getpid() % 250
BRIDGE, GATEWAY = f"ml-faults-{OWN}", f"10.213.{OWN}.1"
"""Its network, unlike that of another campaign, and this machine in it.

An engine that is to have none removes that of the machine's usual engine.
"""
CONTAINERD = """\
version = 2
root = "{0}/containerd"
state = "{0}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{0}/containerd.sock"
[ttrpc]
address = "{0}/containerd.sock.ttrpc"
"""


class Engine:
    """An engine with a folder, a socket and a network of its own.

    containerd is a process beside dockerd, not below it: where systemd rules it is a service of its own too.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, f"unix://{folder}/docker.sock"
        self.below: subprocess.Popen[bytes] | None = None
        self.daemon: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    def begin(self) -> None:
        """For the first time; returns once it answers.

        Raises:
            RuntimeError: this machine does not let it have a network.
        """
        _bridge()
        (self.folder / "containerd.toml").write_text(CONTAINERD.format(self.folder))
        self.below = self._spawn("containerd", "--config", str(self.folder / "containerd.toml"))
        until((self.folder / "containerd.sock").exists)
        self.start(live_restore=False)

    def start(self, *, live_restore: bool) -> None:
        """The daemon, which leaves the containers that run alone only where it is to live-restore."""
        (self.folder / "daemon.json").write_text(json.dumps({"live-restore": live_restore}))
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid", "config-file": "daemon.json"}
        own = [f"--{name}={self.folder / place}" for name, place in places.items()]
        network = [f"--bridge={BRIDGE}", "--iptables=false"]
        below = f"--containerd={self.folder}/containerd.sock"
        self.daemon = self._spawn("dockerd", f"--host={self.url}", below, *network, *own)
        until(self.answers)

    def answers(self) -> bool:
        """Whether it is there."""
        return self._ask("version").returncode == 0

    def docker(self, *words: str, **more: Any) -> str:
        """What a command of the engine's own client says.

        Raises:
            RuntimeError: it fails.
        """
        done = self._ask(*words, **more)
        if done.returncode:
            raise RuntimeError(f"docker {' '.join(words)}: {done.stderr.decode()}")
        return str(done.stdout.decode())

    def take(self, image: str) -> None:
        """Have an image that the usual engine has."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            self.docker("load", stdin=saved.stdout)

    def stages(self, *, running: bool) -> dict[str, str]:
        """Id -> name of stages' containers: those that run, or all there are."""
        form = ["--no-trunc", "--format", "{{.ID}} {{.Names}}", "--filter", f"label={RUN}"]
        listed = self.docker("ps", *form, *([] if running else ["--all"]))
        return dict(line.split() for line in listed.splitlines())

    def process(self, container: str) -> int:
        """Number of the process that a container is; 0 where it runs no more."""
        with suppress(RuntimeError):
            return int(self.docker("inspect", "--format", "{{.State.Pid}}", container))
        return 0

    def remove(self, *containers: str) -> None:
        """Whether they run or not."""
        if containers:
            self.docker("rm", "--force", "--volumes", *containers)

    def kill_container(self, container: str) -> bool:
        """SIGKILL of its process; False where that has ended."""
        with suppress(RuntimeError):
            self.docker("kill", container)
            return True
        return False

    def kill(self) -> None:
        """SIGKILL of the daemon: nothing is tidied up, and containers run on until it is back."""
        assert self.daemon
        self.daemon.kill()
        self.daemon.wait()

    def end(self) -> None:
        """Stop it in good order, and all that it has started; nothing of it is left."""
        if self.daemon and self.answers():
            self.remove(*self.stages(running=False))
        for process in (self.daemon, self.below):
            if process:
                process.terminate()
                process.wait(PATIENCE)
        mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        if left := [place for place in mounted if place.startswith(f"{self.folder}/")]:
            subprocess.run(["umount", "--lazy", *left], check=True)
        subprocess.run(["ip", "link", "delete", BRIDGE], check=True)
        shutil.rmtree(self.folder)

    def _ask(self, *words: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["docker", "--host", self.url, *words], capture_output=True, check=False, **more)

    def _spawn(self, program: str, *options: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{program}.log").open("ab") as log:
            command = [shutil.which(program) or f"/usr/sbin/{program}", *options]
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def cut() -> None:
    """Packets between containers and this machine vanish, until `mend`."""
    subprocess.run(["ip", "link", "set", BRIDGE, "down"], check=True)


def mend() -> None:
    """They pass again."""
    subprocess.run(["ip", "link", "set", BRIDGE, "up"], check=True)


def _bridge() -> None:
    for step in ("link add {0} type bridge", "address add {1}/24 dev {0}", "link set {0} up"):
        command = ["ip", *step.format(BRIDGE, GATEWAY).split()]
        done = subprocess.run(command, check=False, capture_output=True)
        if done.returncode:
            raise RuntimeError(
                f"this machine lets nobody make a network for an engine of one's own: `{' '.join(command)}` says"
                f" {done.stderr.decode().strip()!r}. To do: be root; where a campaign was killed, remove what it left"
                f" with `ip link delete {BRIDGE}`"
            )
