"""Objects by URI: S3, Google Cloud Storage, Azure or a local folder, through one client.

An object is whole or not there, and `create` succeeds for one writer only. Settings come from where users of these
stores expect them: the `AWS_*` variables and shared credentials file, `GOOGLE_*`, `AZURE_*`.
"""

from __future__ import annotations

import configparser
import datetime as dt
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ml_pipeline.artifacts.folder_keys import keys_after
from ml_pipeline.artifacts.stored_file import StoredFile
from ml_pipeline.errors import (
    IntegrityError,
    NotFoundError,
    StoreAccessError,
    StoreError,
    StoreFullError,
    UsageError,
)
from ml_pipeline.stopwatch import timed

if TYPE_CHECKING:
    from obstore.store import ClientConfig

RETRY = {"max_retries": 3, "retry_timeout": dt.timedelta(seconds=15)}
"""A store that is away for long is told at once: whoever ordered the run tries again later."""
TIMEOUT: ClientConfig = {"connect_timeout": dt.timedelta(seconds=3), "timeout": dt.timedelta(seconds=120)}
READ_BYTES = 1 << 20
"""What one request of a streamed object asks for, unless more is wanted at once."""
SCHEMES = ("s3", "gs", "az", "file")
REFUSED = re.compile(
    r"\b(AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|status code: 40[13]"
    r"|Permission denied|Read-only file system)\b"
)
FULL = re.compile(r"No space left|File too large|quota exceeded|StorageFull|InsufficientStorage|status code: 507", re.I)
UNNAMED = re.compile(r"http://169\.254\.169\.254/|metadata\.google\.internal")
"""Where clients look for the keys of a machine in a cloud when they were given none."""


class Store:
    """Objects below one URI; keys are relative to it."""

    def __init__(self, uri: str, prefix: str = "") -> None:
        self.uri, self.prefix = _normal(uri), prefix

    def within(self, folder: str) -> Store:
        """The same store, one folder down."""
        return Store(self.uri, f"{self.prefix}{folder}/")

    def address(self, key: str) -> str:
        """The full URI of a key."""
        return f"{self.uri}/{self.prefix}{key}"

    def get(self, key: str) -> bytes:
        """The bytes of an object.

        Raises:
            NotFoundError: there is none.
        """
        with self._explained(key):
            content: bytes = _reading(self.uri).get(self.prefix + key).bytes().to_bytes()
        return content

    def reader(self, key: str) -> IO[bytes]:
        """An object as a seekable file, of which only what is read is fetched.

        All of it comes from the object that was there at first: reading stops with a StoreError if it is replaced.

        Raises:
            NotFoundError: there is none.
        """
        with self._explained(key):
            found = _reading(self.uri).head(self.prefix + key)

        def fetch(start: int, end: int) -> bytes:
            options = {"range": (start, end), "if_match": found["e_tag"]}
            with self._explained(key):
                content: bytes = _reading(self.uri).get(self.prefix + key, options=options).bytes().to_bytes()
            return content

        return BufferedReader(StoredFile(found["size"], fetch), READ_BYTES)

    def put(self, key: str, content: bytes) -> None:
        """Write an object, whole, over whatever was there."""
        with self._explained(key):
            _writing(self.uri).put(self.prefix + key, content, use_multipart=False)

    def create(self, key: str, content: bytes) -> bool:
        """Write an object only if there is none; False where there is one, of whatever content."""
        from obstore.exceptions import AlreadyExistsError

        with self._explained(key):
            try:
                _writing(self.uri).put(self.prefix + key, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def delete(self, key: str) -> None:
        """Remove an object; no error where there is none."""
        with suppress(NotFoundError), self._explained(key):
            _reading(self.uri).delete(self.prefix + key)

    def exists(self, key: str) -> bool:
        """Whether there is an object."""
        try:
            with self._explained(key):
                _reading(self.uri).head(self.prefix + key)
        except NotFoundError:
            return False
        return True

    def keys(self, folder: str, after: str = "") -> list[str]:
        """Keys of all objects at any depth below a folder, sorted; only those that sort after another key."""
        start = self.prefix + after if after else None
        with self._explained(folder):
            if start and self.uri.startswith("file://"):
                found = list(keys_after(Path(self.uri.removeprefix("file://")), self.prefix + folder, start))
            else:
                pages = _reading(self.uri).list(self.prefix + folder, offset=start)
                found = [item["path"] for page in pages for item in page]
        return sorted(path.removeprefix(self.prefix) for path in found)

    def written(self, folder: str) -> dict[str, dt.datetime]:
        """Keys of all objects at any depth below a folder, and when each was written, by the store's clock."""
        with self._explained(folder):
            found = [item for page in _reading(self.uri).list(self.prefix + folder) for item in page]
        return {item["path"].removeprefix(self.prefix): item["last_modified"] for item in found}

    def folders(self, folder: str) -> list[str]:
        """Names of the folders directly in a folder, sorted."""
        with self._explained(folder):
            listed = _reading(self.uri).list_with_delimiter(self.prefix + folder)
        return sorted(path.rstrip("/").rpartition("/")[2] for path in listed["common_prefixes"])

    def verified(self, key: str, sha256: str) -> bytes:
        """The bytes of an object, proved to be those that were written.

        Raises:
            IntegrityError: they are others.
        """
        from hashlib import sha256 as hashed

        content = self.get(key)
        if hashed(content).hexdigest() != sha256:
            raise IntegrityError(
                "a stored object is not what was written",
                given=f"{self.address(key)}, {len(content)} bytes",
                expected=f"content with the SHA-256 {sha256}",
                do="restore the object, or delete its folder and run the stage that makes it with force",
            )
        return content

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        from obstore import exceptions

        address = self.address(key)
        try:
            with timed("store"):
                yield
        except (exceptions.NotFoundError, FileNotFoundError) as error:
            raise _missing(address, str(error)) from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError) as error:
            raise _refused(address) from error
        except exceptions.PreconditionError as error:
            raise StoreError(
                "the object was replaced while it was read", given=address, do="start again, when it is whole"
            ) from error
        except (exceptions.BaseError, OSError) as error:
            raise _failure(address, str(error).partition("Debug source:")[0]) from error
        except ValueError as error:  # obstore takes no part of a key that is empty or `..`
            raise UsageError(
                "this cannot be the name of an object",
                given=f"{address}: {error}",
                expected="names joined by /, none of them empty or ..",
                do="choose another name",
            ) from error


def from_environment() -> Store:
    """The store that `ML_PIPELINE_STORE` names.

    Raises:
        UsageError: it names none.
    """
    uri = os.environ.get("ML_PIPELINE_STORE", "")
    if not uri:
        raise UsageError(
            "no object store is named",
            expected="a URI such as s3://bucket, gs://bucket, az://container or a folder",
            do="set ML_PIPELINE_STORE or give --store; `ml-pipeline store start` starts one on this machine",
        )
    return Store(uri)


def _normal(uri: str) -> str:
    scheme, slashes, place = uri.partition("://")
    if uri and not slashes and uri.partition(":")[0] not in SCHEMES:
        return "file://" + str(Path(uri).expanduser().absolute())
    if scheme not in SCHEMES or not place.strip("/"):
        raise UsageError(
            "the store's URI names no store",
            given=uri or "an empty one",
            expected="s3://bucket, gs://bucket, az://container, file:///folder or a folder",
            do="set ML_PIPELINE_STORE or give --store",
        )
    return uri.rstrip("/")


def _missing(address: str, reason: str) -> StoreError:
    if "NoSuchBucket" in reason or "bucket does not exist" in reason:
        return NotFoundError(
            "the bucket is not there", given=address, do="create the bucket, or correct ML_PIPELINE_STORE"
        )
    return NotFoundError("the object is not there", given=address)


def _refused(address: str) -> StoreAccessError:
    """The store's own words would say no more, and may repeat what was sent."""
    do = "check AWS_SHARED_CREDENTIALS_FILE or AWS_ACCESS_KEY_ID"
    if address.startswith("file://"):
        return StoreAccessError(
            "the folder may not be used", given=address, do="give this user the right to write there"
        )
    return StoreAccessError("the object store refuses the credentials", given=address, do=do)


def _failure(address: str, reason: str) -> StoreError:
    """What the client says in one of the words of our tree."""
    local = address.startswith("file://")
    if UNNAMED.search(reason):
        return StoreAccessError(
            "there are no credentials for the object store",
            given=address,
            do="name a credentials file in AWS_SHARED_CREDENTIALS_FILE, or set AWS_ACCESS_KEY_ID",
        )
    if REFUSED.search(reason):
        return _refused(address)
    if FULL.search(reason):
        return StoreFullError(
            "the object store has no room left", given=address, do="free space, or name another store"
        )
    if "NoSuchBucket" in reason:
        return _missing(address, reason)
    return StoreError(
        "the folder cannot be used as a store" if local else "the object store did not answer as it should",
        given=f"{address}: {' '.join(reason.split())[:300]}",
        do="name a folder that can be written to"
        if local
        else "check that it runs, has room left and is at AWS_ENDPOINT_URL; `ml-pipeline store start` starts ours",
    )


def _reading(uri: str) -> Any:
    """The client of a store for what is there: a folder is made when something is first written, and empty before."""
    if uri.startswith("file://"):
        try:
            Path(uri.removeprefix("file://")).stat()
        except FileNotFoundError:
            from obstore.store import MemoryStore

            return MemoryStore()
    return _writing(uri)


def _writing(uri: str) -> Any:
    """The client of a store; another one once the credentials file of S3 was renewed."""
    return _client(uri, _written(_credentials()) if uri.startswith("s3://") else 0)


def _credentials() -> Path:
    return Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()


def _written(path: Path) -> int:
    """When, in nanoseconds; 0 where there is no such file."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=32)
def _client(uri: str, _renewed: int) -> Any:
    from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

    kind, _, rest = uri.partition("://")
    if kind == "file":
        return LocalStore(rest, mkdir=True)
    bucket, _, prefix = rest.partition("/")
    options: dict[str, Any] = {"prefix": prefix or None, "retry_config": RETRY}
    if kind == "s3":
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        options |= {"config": _s3_settings(endpoint)}
        client: ClientConfig = {**TIMEOUT, "allow_http": (endpoint or "").startswith("http://")}
        return S3Store(bucket, client_options=client, **options)
    return {"gs": GCSStore, "az": AzureStore}[kind](bucket, client_options=TIMEOUT, **options)


def _s3_settings(endpoint: str | None) -> dict[str, str]:
    """Region, endpoint and, where the environment holds no keys itself, those of the shared credentials file."""
    settings = {"region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"}
    if endpoint:
        settings["endpoint"] = endpoint
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return settings
    named = os.environ.get("AWS_SHARED_CREDENTIALS_FILE")
    path, profile = _credentials(), os.environ.get("AWS_PROFILE", "default")
    found = _profile(path, profile)
    if named and not {"aws_access_key_id", "aws_secret_access_key"} <= found.keys():
        raise StoreAccessError(
            "there are no credentials for the object store",
            given=f"AWS_SHARED_CREDENTIALS_FILE={path} without both keys for the profile {profile}",
            expected=f"[{profile}] with aws_access_key_id and aws_secret_access_key",
            do="name the right file, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    return settings | found


def _profile(path: Path, profile: str) -> dict[str, str]:
    """The keys of one section of a shared credentials file; none where there is no such thing."""
    file = configparser.ConfigParser(interpolation=None)
    with suppress(configparser.Error):
        file.read(path)
    keys = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return {key: file[profile][key] for key in keys if profile in file and key in file[profile]}
