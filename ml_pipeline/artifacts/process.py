"""A background process that belongs to a folder: its log and its number are there, and only it is ever ended.

A process number is used again by the system, so it is kept with the moment the process started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path


def spawn(folder: Path, command: list[str], environment: Mapping[str, str]) -> int:
    """Start a command that outlives this process; its words go to `log`. `command[0]` is a full path."""
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
        pid = os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True)
    finally:
        os.close(log)
    write_private(folder / "pid", f"{pid}\n{_started(pid)}\n")
    return pid


def running(folder: Path) -> int | None:
    """The number of the folder's process, if that number still means the one that was started."""
    try:
        number, started = (folder / "pid").read_text().split("\n")[:2]
    except (OSError, ValueError):
        return None
    pid = int(number)
    _reap(pid)
    return pid if started and _started(pid) == started else None


def end(folder: Path, patience: float = 3.0) -> bool:
    """Ask the folder's process to end and, after `patience` seconds, make it; False where none was running."""
    pid = running(folder)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if pid is not None and running(folder) == pid:
            os.kill(pid, sign)
            _await_end(folder, patience)
    (folder / "pid").unlink(missing_ok=True)
    return pid is not None


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user reads, from its first byte on, and that is whole or not there.

    Where root replaces a file of another user, it stays that user's.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        if os.geteuid() == 0 and path.exists():
            os.chown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
        file.write(text)
    new.replace(path)


def _await_end(folder: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while running(folder) is not None and time.monotonic() < deadline:
        time.sleep(0.05)


def _reap(pid: int) -> None:
    """A child that ended stays in the process table until its parent asks; others' children are not ours to ask for."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _started(pid: int) -> str:
    """The boot and moment a process started in; empty where there is none, or only its remains."""
    if not Path("/proc/self/stat").exists():
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    state, threads, start = fields[0], int(fields[17]), fields[19]  # proc(5)
    return "" if state == "Z" and threads <= 1 else f"{boot} {start}"
