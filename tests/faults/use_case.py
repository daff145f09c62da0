"""The use case of a campaign, in few tasks, and its image."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ml_pipeline_airflow import images

from containers import build
from containers.use_case_images import own_images

NAME = "struck_nights"
FEW_TASKS = """\
services:
  offline: {data: [ingest, prepare, combine, split], fit: [train, evaluate, promote]}
  online: {score: [ingest, prepare, combine, serve, postprocess]}
"""
RICHEST = "data"
"""The kind of image in which all stages can run."""


def make(folder: Path) -> Path:
    """Draft the use case; the folder that it is in."""
    (folder / "use_cases").mkdir()
    command = [str(Path(sys.executable).with_name("ml-pipeline")), "new", NAME, "--folder", str(folder / "use_cases")]
    subprocess.run(command, check=True, capture_output=True)
    pipeline = folder / "use_cases" / NAME / "pipeline.yaml"
    pipeline.write_text(re.sub(r"^schedule: .*\n", FEW_TASKS, pipeline.read_text(), flags=re.MULTILINE))
    return folder / "use_cases"


@contextmanager
def image() -> Iterator[str]:
    """The tag of its image, which is removed afterwards."""
    (own,) = (own for own in own_images(NAME) if own.kind == RICHEST)
    with closing(build.connect()) as client:
        shared = client.images.get(images.reference(RICHEST))
        built = build.build(client, build.Recipe.own(own), str(shared.id))
        yield images.reference(own.name)
        client.images.remove(built.id, force=True)
