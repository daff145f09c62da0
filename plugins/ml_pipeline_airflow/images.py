"""The images of stages: which there are, what each holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.errors import UsageError
from ml_pipeline.stages import tasks

CONTENTS = "ml-pipeline.contents"
"""The label that says what an image holds, the same wherever the same thing was built."""


class Image(NamedTuple):
    """One image as it is now, whatever its tag points to later."""

    id: str
    contents: str


def reference(name: str) -> str:
    """The tag of an image by its short name.

    >>> reference("train")
    'ml-pipeline/train:latest'
    """
    return f"ml-pipeline/{name}:latest"


def needed(config: UseCaseConfig) -> dict[str, str]:
    """Short names and tags of all images that a use case's tasks run in."""
    both = (*tasks(config, "offline"), *tasks(config, "online"))
    return {name: reference(name) for name in sorted({task.image for task in both})}


def resolve(client: Any, references: Mapping[str, str]) -> dict[str, Image]:
    """Find each image on the engine.

    Raises:
        UsageError: one is missing.
    """
    return {name: _resolve(client, tag) for name, tag in references.items()}


def _resolve(client: Any, tag: str) -> Image:
    from docker.errors import ImageNotFound

    try:
        found = client.inspect_image(tag)
    except ImageNotFound as error:
        raise UsageError(
            "a container image is missing",
            given=tag,
            expected="the image on the engine that runs the stage",
            do="build it with `make images`, then clear the task",
        ) from error
    labels = found["Config"].get("Labels") or {}
    return Image(found["Id"], labels.get(CONTENTS) or found["Id"])
