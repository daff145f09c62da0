"""Stages whose clock can be set: containers share the kernel's clock, so a small library stands before it in theirs."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path

from tests.faults.engine import Engine

SOURCE = Path(__file__).with_name("clock.c")
DOCKERFILE = "FROM {}\nCOPY clock.so /opt/clock.so\nENV LD_PRELOAD=/opt/clock.so\n"


def image(engine: Engine, tag: str, folder: Path) -> str:
    """The tag of an image that is like one there is, and has such a clock.

    Raises:
        RuntimeError: there is no C compiler.
    """
    compiler = shutil.which("cc")
    if not compiler:
        raise RuntimeError("there is no C compiler for the clock's library; install Debian's gcc and libc6-dev")
    library = folder / "clock.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    packed = _packed(DOCKERFILE.format(tag).encode(), library.read_bytes())
    engine.docker("build", "--quiet", "--tag", f"{tag}-clock", "-", input=packed)
    return f"{tag}-clock"


def put_ahead(process: int, seconds: int) -> bool:
    """Set the clock of the container that has a process; False where it has ended."""
    with suppress(OSError):
        Path(f"/proc/{process}/root/tmp/clock").write_bytes(struct.pack("l", seconds))
        return True
    return False


def _packed(dockerfile: bytes, library: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in (("Dockerfile", dockerfile), ("clock.so", library)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
