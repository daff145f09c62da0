"""The images of all stages: `python containers/build.py` builds what has changed and prints what there is.

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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from containers import engine  # noqa: E402

REPOSITORY = "ml-pipeline"
STAGES = ("data", "train", "serve")
LABEL = "ml-pipeline.contents"
INDEX_SETTINGS = ("index-url", "extra-index-url", "find-links", "trusted-host")
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


def main() -> int:
    """Exit code 0 when all images are there, 1 with a sentence when not."""
    from docker.errors import DockerException

    try:
        client = connect()
        base = build(client, "base", base_image(client))
        images = [base, *(build(client, name, base.id) for name in STAGES)]
        print_table(dict(zip(("base", *STAGES), images, strict=True)))
    except (BuildError, DockerException) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


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


def build(client: Any, name: str, parent: str) -> Any:
    """One image, built on `parent`, with its contents written into it, under both of its names."""
    started = time.monotonic()
    progress = Progress(name)
    built = run_build(
        client,
        progress,
        path=str(ROOT),
        dockerfile=f"containers/{name}/Dockerfile",
        buildargs={"BASE_IMAGE": parent, **index_arguments(), **proxy_arguments()},
    )
    image = sign(client, progress, built, contents(client, built, name))
    digest = image.labels[LABEL]
    for tag in (digest[:12], "latest"):
        image.tag(f"{REPOSITORY}/{name}", tag)
    progress.end(f"{digest[:12]} in {time.monotonic() - started:.1f} s")
    return image


def contents(client: Any, image: str, name: str) -> bytes:
    """What an image holds, as JSON that is equal wherever the same is held."""
    listed = client.containers.run(
        image, ["-I", "-c", LIST_CONTENTS], entrypoint=["/opt/venv/bin/python"], remove=True, network_mode="none"
    )
    recipes = {recipe: digest_of(ROOT / "containers" / recipe / "Dockerfile") for recipe in sorted({"base", name})}
    return json.dumps({**json.loads(listed), "recipes": recipes}, indent=1, sort_keys=True).encode()


def sign(client: Any, progress: Progress, image: str, held: bytes) -> Any:
    """The image with its contents as files and label."""
    digest = hashlib.sha256(held).hexdigest()
    recipe = f"FROM {image}\nCOPY contents contents.json /etc/ml-pipeline/\nLABEL {LABEL}={digest}\n"
    files = {"Dockerfile": recipe.encode(), "contents": digest.encode() + b"\n", "contents.json": held}
    signed = run_build(client, progress, fileobj=archive(files), custom_context=True)
    return client.images.get(signed)


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
    pip = shutil.which("pip") or shutil.which("pip3")
    command = [pip, "config", "list"] if pip else [sys.executable, "-m", "pip", "config", "list"]
    return parse_index(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


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
        """Take what the builder says; show its steps."""
        for line in filter(None, map(str.strip, said.splitlines())):
            self.last = [*self.last[-19:], line]
            step = re.match(r"Step (\d+/\d+) : ((?:RUN|COPY) .*)", line)
            if step:
                self._write(f"{step[1]:>5} {' '.join(step[2].split())}", end="" if self.live else "\n")

    def end(self, line: str) -> None:
        """The last line, which stays."""
        self._write(line, end="\n")

    def _write(self, line: str, end: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        start = "\r\x1b[2K" if self.live else ""
        print(start + f"{self.name:<6} {line}"[:width], end=end, flush=True)


def print_table(images: dict[str, Any]) -> None:
    """Names and sizes; what an image adds to the base it shares."""
    base = images["base"].attrs["Size"]
    print(f"\n{'image':<28}{'size':>10}{'own':>10}")
    for name, image in images.items():
        size = image.attrs["Size"]
        own = size if name == "base" else size - base
        print(f"{f'{REPOSITORY}/{name}:{image.labels[LABEL][:12]}':<28}  {size / 1e6:>5.0f} MB{own / 1e6:>7.0f} MB")


if __name__ == "__main__":
    raise SystemExit(main())
