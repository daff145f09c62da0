"""The table of images in README.md: `python containers/images_table.py` writes it anew, from the images that are there.

Each Dockerfile says in its first line what its image is for; the engine says how large it is, and of which layers.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from containers import build  # noqa: E402
from ml_pipeline.stages import IMAGES  # noqa: E402

NAMES = ("base", *IMAGES)
MARKERS = ("<!-- images -->", "<!-- end of images -->")
PLACES = {"/opt/venv": "packages", "/opt/ml-pipeline": "code", "": "system"}
"""What a layer is, by the first of these that the command names which made it."""


def main() -> int:
    """Exit code 0 when README.md has the table, 1 with a sentence when it cannot be made."""
    from docker.errors import DockerException, ImageNotFound

    try:
        client = build.connect()
        found = {name: client.images.get(f"{build.REPOSITORY}/{name}:latest") for name in NAMES}
    except ImageNotFound as missing:
        print(f"images: {missing.explanation}; run `make images`", file=sys.stderr)
        return 1
    except (build.BuildError, DockerException) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    readme = ROOT / "README.md"
    readme.write_text(placed(readme.read_text(encoding="utf-8"), table(found)), encoding="utf-8")
    return 0


def table(images: Mapping[str, Any]) -> list[str]:
    """Lines of Markdown: what each image is for, how large it is, and its layers in megabytes."""
    below = len(images["base"].history())
    rows = [
        f"| `{name}` | {purpose(name)} | {image.attrs['Size'] / 1e6:.0f} MB | "
        + _layers(image.history() if name == "base" else image.history()[:-below], images["base"], name)
        for name, image in images.items()
    ]
    return ["| image | for | size | layers, MB |", "|---|---|---|---|", *(f"{row} |" for row in rows)]


def purpose(name: str) -> str:
    """What an image is for, as its Dockerfile says."""
    first = (ROOT / "containers" / name / "Dockerfile").read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("# ").rstrip(".")


def placed(readme: str, lines: Iterable[str]) -> str:
    """A text with the table between the markers, whatever was there."""
    start, end = map(re.escape, MARKERS)
    return re.sub(f"(?s)(?<={start}\n).*?(?={end})", lambda _: "\n".join([*lines, ""]), readme)


def _layers(history: Iterable[Mapping[str, Any]], base: Any, name: str) -> str:
    """The base, if it is not this image, and what lies above it by what it is; what rounds to nothing is left out."""
    sizes = Counter({} if name == "base" else {"base": base.attrs["Size"]})
    for layer in reversed(list(history)):
        sizes[next(kind for place, kind in PLACES.items() if place in layer["CreatedBy"])] += layer["Size"]
    return " + ".join(f"{kind} {size / 1e6:.0f}" for kind, size in sizes.items() if size > 5e5)


if __name__ == "__main__":
    raise SystemExit(main())
