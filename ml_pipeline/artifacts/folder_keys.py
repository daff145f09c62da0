"""Keys in a local folder from one on: the client would look at every file of the folder, however few are asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_STAGED = re.compile(r"#\d+$")
"""How the client names a file that it is still writing."""


def keys_after(root: Path, folder: str, after: str) -> Iterator[str]:
    """Keys at any depth below a folder that sort after another key, in no order; none where there is no such folder.

    Args:
        root: What keys are relative to.
        folder: Ends with a slash.
        after: A folder all of whose keys sort before it is not opened.
    """
    try:
        entries = list(os.scandir(root / folder))
    except FileNotFoundError:
        return
    for entry in entries:
        key = f"{folder}{entry.name}"
        if entry.is_dir():
            if (inside := f"{key}/") > after or after.startswith(inside):
                yield from keys_after(root, inside, after)
        elif key > after and not _STAGED.search(key):
            yield key
