"""The image whose stages are stand-ins, as it is built for one process."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker

PROGRAM = Path(__file__).with_name("stand_in.py")

DOCKERFILE = b"""\
FROM ml-pipeline/serve:latest
LABEL ml-pipeline.contents=sha256:stand-in
COPY stand_in.py /stand_in.py
ENTRYPOINT ["tini", "--", "python3", "/stand_in.py"]
"""


@contextmanager
def stand_in_image(client: docker.DockerClient, tag: str) -> Iterator[None]:
    """There is one under the tag, and afterwards none."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in (("Dockerfile", DOCKERFILE), (PROGRAM.name, PROGRAM.read_bytes())):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    client.images.build(fileobj=packed, custom_context=True, tag=tag, rm=True)
    try:
        yield
    finally:
        client.images.remove(tag, force=True)
