"""The images of stages: which there are, what each holds.

There is one of each kind (`stages.IMAGES`) that all use cases share. A use case that does not come with
ml_pipeline, or that requires packages of its own, has images of its own, each on top of the shared one of its kind.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import NothingToDo, UsageError
from ml_pipeline.stages import steps

CONTENTS = "ml-pipeline.contents"
"""The label that says what an image holds, the same wherever the same thing was built."""

REQUIREMENTS = "requirements"
"""Folder of a use case with a file `<kind>.txt` of packages for each kind of image that needs more than is there."""

PINNED = "ML_PIPELINE_IMAGES"
"""Variable: a YAML file that says where a cluster gets each image, such as `train: registry/train@sha256:…`."""

NAME = re.compile(r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*")
"""What an engine takes as the name of an image."""


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


def has_own(use_case: UseCase) -> bool:
    """Whether a use case needs more than the shared images hold."""
    return not use_case.built_in or (use_case.folder / REQUIREMENTS).is_dir()


def short_name(use_case: UseCase, kind: str) -> str:
    """The short name of the image of a kind that a use case's tasks run in, such as `train` or `parcels-train`."""
    return f"{_safe(use_case.config.name)}-{kind}" if has_own(use_case) else kind


def needed(use_case: UseCase) -> dict[str, str]:
    """Kinds and tags of all images that a use case's stages run in, however they are grouped into tasks."""
    return {kind: reference(name) for kind, name in _short_names(use_case).items()}


def pinned(use_case: UseCase) -> dict[str, Image]:
    """The same images where no engine is asked: each as a registry has it, its digest for what it holds.

    Raises:
        UsageError: the file that names them is not there, names one not, or without its digest.
    """
    found = _pins()
    return {kind: _pinned(name, found.get(name, "")) for kind, name in _short_names(use_case).items()}


def resolve(client: Any, references: Mapping[str, str]) -> dict[str, Image]:
    """Find each image on the engine.

    Raises:
        UsageError: one is missing.
    """
    return {name: _resolve(client, tag) for name, tag in references.items()}


def check(use_case: UseCase) -> str:
    """What `ml-pipeline validate` says of a use case's images.

    Raises:
        NothingToDo: one is not built yet, which is a fault only where stages are to run in containers.
    """
    import docker

    try:
        with closing(docker.from_env()) as client:
            client.ping()
            found = resolve(client.api, needed(use_case))
    except docker.errors.DockerException:
        return "no container engine answers, so stages run as processes"
    except UsageError as missing:
        do = "`make images` builds it; stages that run as processes need none"
        raise NothingToDo(f"{missing.given} is not built yet", do=do) from missing
    return ", ".join(f"{short_name(use_case, kind)} {image.contents[:12]}" for kind, image in found.items())


def _short_names(use_case: UseCase) -> dict[str, str]:
    config = use_case.config
    kinds = {step.stage.image for mode in config.modes for step in steps(config, mode)}
    return {kind: short_name(use_case, kind) for kind in sorted(kinds)}


def _pins() -> Mapping[str, str]:
    from ml_pipeline.artifacts import plain_yaml

    file = Path(os.environ.get(PINNED, ""))
    try:
        found: Mapping[str, str] = plain_yaml.load(file.read_bytes(), str(file))
    except OSError as error:
        raise UsageError(
            "nothing says where the cluster gets its images",
            given=f"{PINNED}={os.environ.get(PINNED, '')}",
            expected="a YAML file of names and references, such as train: registry.example.com/train@sha256:…",
            do="push the images that `make images` builds, and write down their digests",
        ) from error
    return found


def _pinned(name: str, reference: str) -> Image:
    _, _, digest = reference.partition("@sha256:")
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise UsageError(
            f"{PINNED} does not say for good which image {name} is",
            given=reference or "nothing",
            expected="a reference with a digest: a tag may be moved",
            do=f"add {name}: REGISTRY/{name}@sha256:… to the file",
        )
    return Image(reference, f"sha256:{digest}")


def _safe(name: str) -> str:
    """A use case's name in lower case; one that is no name of an image made so, and still like no other.

    >>> _safe("Parcels"), _safe("_parcels")
    ('parcels', 'parcels-a40c2058')
    """
    lower = name.lower()
    if NAME.fullmatch(lower):
        return lower
    return "-".join([*re.findall(r"[a-z0-9]+", lower), hashlib.sha256(name.encode()).hexdigest()[:8]])


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
