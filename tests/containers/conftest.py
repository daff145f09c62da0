"""Images as a container of theirs sees them. Without engine or images these tests fail, and say what to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from containers import build
from ml_pipeline.stages import IMAGES

NAMES = ("base", *IMAGES)


def left(client: Any, word: str) -> set[str]:
    """Images without a name in whose history a word is; those of others come and go meanwhile."""
    from docker.errors import ImageNotFound

    found = set()
    for image in client.api.images(filters={"dangling": True}, quiet=True):
        with suppress(ImageNotFound):
            if word in str(client.api.history(image)):
                found.add(image)
    return found


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    try:
        client = build.connect()
    except build.BuildError as error:
        pytest.fail(str(error))
    yield client
    client.close()


@pytest.fixture(scope="session")
def find(client: Any) -> Callable[[str], Any]:
    """An image by its short name."""
    from docker.errors import ImageNotFound

    def find(name: str) -> Any:
        try:
            return client.images.get(f"{build.REPOSITORY}/{name}:latest")
        except ImageNotFound:
            pytest.fail(f"the image {build.REPOSITORY}/{name} is not there; run `make images`")

    return find


@pytest.fixture(scope="session", params=NAMES)
def image(request: pytest.FixtureRequest, find: Callable[[str], Any]) -> Any:
    return find(request.param)


@pytest.fixture(scope="session")
def run(client: Any) -> Callable[..., str]:
    """Run Python in a container as stages run: no network, a root it cannot write, /tmp in memory."""

    def run(image: Any, code: str, **options: Any) -> str:
        held = {"read_only": True, "tmpfs": {"/tmp": ""}, "network_mode": "none", **options}
        container = client.containers.run(image, ["-c", code], entrypoint=["python"], detach=True, **held)
        try:
            failed = container.wait()["StatusCode"]
            said = str(container.logs(stdout=True, stderr=bool(failed)).decode().strip())
        finally:
            container.remove(v=True, force=True)  # its volumes too
        if failed:
            raise RuntimeError(said)
        return said

    return run
