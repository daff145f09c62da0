"""Files at an address: one, or all of a folder; on this machine or in an object store; plain, .gz or .zip."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast
from urllib.parse import unquote

from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import DataError

PACKED = (".gz", ".zip")
NOTHING = "__HIVE_DEFAULT_PARTITION__"
"""What writers of partitioned folders call a missing value."""


class File(NamedTuple):
    """`name` is its path in the folder that was asked for; `path` is all of it."""

    name: str
    path: str
    open: Callable[[], IO[bytes]]

    @property
    def bare(self) -> str:
        """Its name as it would be if it were not packed."""
        return next((self.name.removesuffix(end) for end in PACKED if self.name.endswith(end)), self.name)

    @property
    def folders(self) -> dict[str, str | None]:
        """What its folders say of every record in it: `day=2024-01-01` gives `day`."""
        pairs = [part.partition("=") for part in PurePosixPath(self.path).parts[:-1] if "=" in part]
        return {name: None if value == NOTHING else unquote(value) for name, _, value in pairs}


def find(address: str, suffixes: Sequence[str]) -> list[File]:
    """The file at an address, whatever its name, or those in the folder with these suffixes, at any depth, by name.

    Names that begin with a dot or an underscore are those of other programs.

    Raises:
        DataError: the folder holds none.
        StoreError: the object store cannot be asked.
    """
    place = address.removeprefix("file://")
    found = _stored(place, suffixes) if "://" in place else _local(Path(place).expanduser(), suffixes)
    if not found:
        raise DataError(
            "there are no files to read",
            given=address,
            expected=f"a file, or a folder with files named *{' or *'.join(suffixes)}, plain, .gz or .zip",
            do="deliver the files, or correct the address in pipeline.yaml",
        )
    return found


@contextmanager
def opened(file: File) -> Iterator[IO[bytes]]:
    """The content of a file, unpacked."""
    with file.open() as raw:
        if file.name.endswith(".gz"):
            with gzip.open(raw) as content:
                yield cast("IO[bytes]", content)
        elif file.name.endswith(".zip"):
            with zipfile.ZipFile(raw) as archive, _member(archive) as content:
                yield content
        else:
            yield raw


def _member(archive: zipfile.ZipFile) -> IO[bytes]:
    if len(archive.namelist()) != 1:
        raise zipfile.BadZipFile(f"the archive holds {len(archive.namelist())} files instead of one")
    try:
        return archive.open(archive.namelist()[0])
    except (RuntimeError, NotImplementedError) as error:  # it is encrypted, or packed in a way Python does not know
        raise zipfile.BadZipFile(str(error)) from error


def _local(path: Path, suffixes: Sequence[str]) -> list[File]:
    if not path.is_dir():
        return [File(path.name, path.as_posix(), partial(_open, path))]
    names = [inner.relative_to(path).as_posix() for inner in path.rglob("*") if inner.is_file()]
    return [File(name, (path / name).as_posix(), partial(_open, path / name)) for name in _wanted(names, suffixes)]


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _stored(uri: str, suffixes: Sequence[str]) -> list[File]:
    scheme, _, place = uri.partition("://")
    bucket, _, key = place.partition("/")
    store, folder = Store(f"{scheme}://{bucket}"), f"{key.rstrip('/')}/" if key else ""
    if key and not key.endswith("/") and store.exists(key):
        return [File(PurePosixPath(key).name, key, partial(store.reader, key))]
    names = [found.removeprefix(folder) for found in store.keys(folder)]
    return [File(name, folder + name, partial(store.reader, folder + name)) for name in _wanted(names, suffixes)]


def _wanted(names: Sequence[str], suffixes: Sequence[str]) -> list[str]:
    ends = tuple(suffix + end for suffix in suffixes for end in ("", *PACKED))
    visible = [name for name in names if not any(part.startswith((".", "_")) for part in name.split("/"))]
    return sorted(name for name in visible if name.endswith(ends))
