"""The images of all stages: `python containers/build.py` builds what has changed and prints what there is.

First those that all use cases share, then those that a use case has for itself.

An image counts by what it holds, not by when or where it was built: its *contents* are the operating system's packages,
Python's packages, the source and the Dockerfiles. They are listed from inside the built image and written into it, as
`/etc/ml-pipeline/contents.json`; that file's SHA-256 is `/etc/ml-pipeline/contents`, the label and the tag.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from containers import engine  # noqa: E402
from containers.use_case_images import OwnImage, own_images  # noqa: E402
from ml_pipeline import discovery  # noqa: E402
from ml_pipeline.errors import PipelineError  # noqa: E402
from ml_pipeline.stages import IMAGES  # noqa: E402

REPOSITORY = "ml-pipeline"
LABEL = "ml-pipeline.contents"
MADE_OF = "ml-pipeline.made-of"
"""A label: the digest of all that an image's contents follow from, so that they are not listed a second time."""
INDEX_SETTINGS = ("index-url", "extra-index-url", "find-links", "trusted-host")
CHATTER = ("--->", "Removing intermediate container")
"""What the builder says beside what its steps say."""
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

LIST_CONTENTS = """
import hashlib, importlib.metadata, json, pathlib, platform, subprocess
source, query = pathlib.Path("/opt/ml-pipeline"), ["dpkg-query", "-W", "-f", "${Package}=${Version}\\n"]
files = sorted(path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
system = subprocess.run(query, capture_output=True, text=True, check=True)
print(json.dumps({
    "architecture": platform.machine(),
    "python": platform.python_version(),
    "system": dict(sorted(line.split("=", 1) for line in system.stdout.split())),
    "packages": dict(sorted((found.name, found.version) for found in importlib.metadata.distributions())),
    "source": {str(path.relative_to(source)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
}))
"""


class BuildError(Exception):
    """What went wrong and what to do."""


class Recipe(NamedTuple):
    """An image's short name, the folders of the Dockerfiles it comes from, and what the engine is given to build it."""

    name: str
    dockerfiles: tuple[str, ...]
    context: dict[str, Any]
    arguments: dict[str, str]

    @classmethod
    def shared(cls, name: str) -> Recipe:
        """Of an image that all use cases share."""
        return cls(name, (name,), {"path": str(ROOT), "dockerfile": f"containers/{name}/Dockerfile"}, {})

    @classmethod
    def own(cls, image: OwnImage) -> Recipe:
        """Of an image that one use case has for itself."""
        context = {"fileobj": archive(image.files), "custom_context": True}
        return cls(image.name, (image.kind, "use_case"), context, {"KIND": image.kind})


class Built(NamedTuple):
    """An image, and how much of it belongs to the one below."""

    image: Any
    shares: int


def main() -> int:
    """Exit code 0 when all images are there, 1 with a sentence for each thing that is wrong."""
    from docker.errors import DockerException

    try:
        client = connect()
        built = build_shared(client)
        wrong = build_own(client, built)
        print_table(built)
    except (BuildError, DockerException, PipelineError) as error:
        wrong = [str(error)]
    for sentence in wrong:
        print(f"images: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


def build_shared(client: Any) -> dict[str, Built]:
    """The images that all use cases share, by short name."""
    base = build(client, Recipe.shared("base"), base_image(client))
    above = {name: build(client, Recipe.shared(name), base.id) for name in IMAGES}
    return {"base": Built(base, 0)} | {name: Built(image, base.attrs["Size"]) for name, image in above.items()}


def build_own(client: Any, built: dict[str, Built]) -> list[str]:
    """Add the images that use cases have for themselves; what is wrong with one does not stop the others."""
    wrong = []
    for name in discovery.names():
        try:
            for own in own_images(name):
                below = built[own.kind].image
                built[own.name] = Built(build(client, Recipe.own(own), below.id), below.attrs["Size"])
        except (BuildError, PipelineError) as error:
            wrong.append(f"the use case {name} lacks images: {error}")
    return wrong


def connect() -> Any:
    """A client of the engine."""
    import docker

    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except docker.errors.DockerException as error:
        raise BuildError("no container engine answers; run `make engine`") from error
    return client


def base_image(client: Any) -> str:
    """The image to build on: the official one where it is, else the one made on this machine."""
    from docker.errors import ImageNotFound

    for name in (engine.OFFICIAL, engine.LOCAL):
        try:
            return str(client.images.get(name).id)
        except ImageNotFound:
            continue
    raise BuildError(f"neither {engine.OFFICIAL} nor {engine.LOCAL} is there to build on; run `make engine`")


def build(client: Any, recipe: Recipe, parent: str) -> Any:
    """One image, built on `parent`, with its contents written into it, under both of its names."""
    started = time.monotonic()
    progress = Progress(recipe.name)
    arguments = {"BASE_IMAGE": parent, **index_arguments(), **proxy_arguments(), **recipe.arguments}
    built = run_build(client, progress, buildargs=arguments, **recipe.context)
    image = signed(client, recipe, built) or sign(client, progress, recipe, built)
    digest = image.labels[LABEL]
    for tag in (digest[:12], "latest"):
        image.tag(f"{REPOSITORY}/{recipe.name}", tag)
    progress.end(f"{digest[:12]} in {time.monotonic() - started:.1f} s")
    return image


def contents(client: Any, image: str, *dockerfiles: str) -> bytes:
    """What an image holds, as JSON that is equal wherever the same is held."""
    # What the client removes leaves its volumes behind, but for those that are memory.
    bounds = {"remove": True, "network_mode": "none", "tmpfs": {"/spill": ""}}
    listed = client.containers.run(image, ["-I", "-c", LIST_CONTENTS], entrypoint=["/opt/venv/bin/python"], **bounds)
    return json.dumps({**json.loads(listed), "recipes": recipes(dockerfiles)}, indent=1, sort_keys=True).encode()


def recipes(dockerfiles: Iterable[str]) -> dict[str, str]:
    """Digests of the Dockerfiles that an image comes from, by their folder."""
    return {name: digest_of(ROOT / "containers" / name / "Dockerfile") for name in sorted({"base", *dockerfiles})}


def made_of(recipe: Recipe, image: str) -> str:
    """A digest of all that the contents of an image follow from."""
    return hashlib.sha256(json.dumps([image, LIST_CONTENTS, recipes(recipe.dockerfiles)]).encode()).hexdigest()


def signed(client: Any, recipe: Recipe, image: str) -> Any:
    """The image with its contents, where it is there from an earlier build; None elsewhere."""
    found = client.images.list(f"{REPOSITORY}/{recipe.name}", filters={"label": f"{MADE_OF}={made_of(recipe, image)}"})
    return found[0] if found else None


def sign(client: Any, progress: Progress, recipe: Recipe, image: str) -> Any:
    """The image with its contents as files and label."""
    held = contents(client, image, *recipe.dockerfiles)
    digest = hashlib.sha256(held).hexdigest()
    labels = f"LABEL {LABEL}={digest} {MADE_OF}={made_of(recipe, image)}"
    steps = f"FROM {image}\nCOPY contents contents.json /etc/ml-pipeline/\n{labels}\n"
    files = {"Dockerfile": steps.encode(), "contents": digest.encode() + b"\n", "contents.json": held}
    made = run_build(client, progress, fileobj=archive(files), custom_context=True)
    return client.images.get(made)


def run_build(client: Any, progress: Progress, **what: Any) -> str:
    """Run a build to its end and give the image's id."""
    image = ""
    for event in client.api.build(decode=True, rm=True, forcerm=True, **what):
        if "error" in event:
            raise BuildError("\n".join([f"the image {progress.name} cannot be built:", *progress.last, event["error"]]))
        progress.show(event.get("stream", ""))
        image = event.get("aux", {}).get("ID", image)
    return image


def archive(files: dict[str, bytes]) -> io.BytesIO:
    """A build context made of nothing but these files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed


def index_arguments() -> dict[str, str]:
    """Where this machine's pip looks for packages, as far as a container can look there too."""
    return parse_index(_pip_settings(tuple(sorted(own for own in os.environ.items() if own[0].startswith("PIP_")))))


@cache
def _pip_settings(_variables: tuple[tuple[str, str], ...]) -> str:
    """What `pip config list` prints; asked once while pip's variables are the same, as it takes longer than a build."""
    pip = shutil.which("pip") or shutil.which("pip3")
    command = [pip, "config", "list"] if pip else [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def parse_index(listed: str) -> dict[str, str]:
    """Build arguments from what `pip config list` prints, without this machine's files; a variable wins over a file."""
    found: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for name in INDEX_SETTINGS:
            match = re.search(rf"^{section}\.{name}=(.*)$", listed, re.MULTILINE)
            if match:
                words = str(ast.literal_eval(match[1])).split()
                found[name] = " ".join(word for word in words if name == "trusted-host" or word.startswith("http"))
    return {f"PIP_{name.upper().replace('-', '_')}": value for name, value in found.items() if value}


def proxy_arguments() -> dict[str, str]:
    """The proxies of this machine: the engine keeps them out of an image's history by itself."""
    return {name: os.environ[name] for name in PROXIES if os.environ.get(name)}


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Progress:
    """What a build is at: in place on a terminal, a line a step elsewhere."""

    def __init__(self, name: str) -> None:
        self.name, self.last, self.live = name, list[str](), sys.stdout.isatty()

    def show(self, said: str) -> None:
        """Take what the builder says; show its steps, keep what the last of them said."""
        for line in filter(None, map(str.strip, said.splitlines())):
            step = re.match(r"Step (\d+/\d+) : (.*)", line)
            if step:
                self.last = []
            elif not line.startswith(CHATTER):
                self.last = [*self.last[-19:], line]
            if step and step[2].startswith(("RUN", "COPY")):
                self._write(f"{step[1]:>5} {' '.join(step[2].split())}", end="" if self.live else "\n")

    def end(self, line: str) -> None:
        """The last line, which stays."""
        self._write(line, end="\n")

    def _write(self, line: str, end: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        start = "\r\x1b[2K" if self.live else ""
        print(start + f"{self.name:<6} {line}"[:width], end=end, flush=True)


def print_table(built: dict[str, Built]) -> None:
    """Names and sizes; what an image adds to the one it is built on."""
    tags = {name: f"{REPOSITORY}/{name}:{found.image.labels[LABEL][:12]}" for name, found in built.items()}
    width = max(map(len, tags.values()))
    print(f"\n{'image':<{width}}{'size':>10}{'own':>10}")
    for name, (image, shares) in built.items():
        size = image.attrs["Size"]
        print(f"{tags[name]:<{width}}{size / 1e6:>7.0f} MB{(size - shares) / 1e6:>7.0f} MB")


if __name__ == "__main__":
    raise SystemExit(main())
