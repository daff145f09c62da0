"""Objects by URI: S3, Google Cloud Storage, Azure or a local folder, through one client.

An object is whole or not there, and `create` succeeds for one writer only. Settings come from where users of these
stores expect them: the `AWS_*` variables and shared credentials file, `GOOGLE_*`, `AZURE_*`.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_pipeline.errors import (
    IntegrityError,
    NotFoundError,
    StoreAccessError,
    StoreError,
    StoreFullError,
    UsageError,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig

RETRY = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
TIMEOUT: ClientConfig = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=120)}
SCHEMES = ("s3", "gs", "az", "file")


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
            content: bytes = _client(self.uri).get(self.prefix + key).bytes().to_bytes()
        return content

    def put(self, key: str, content: bytes) -> None:
        """Write an object, whole, over whatever was there."""
        with self._explained(key):
            _client(self.uri).put(self.prefix + key, content, use_multipart=False)

    def create(self, key: str, content: bytes) -> bool:
        """Write an object only if there is none; False where there is one, of whatever content."""
        from obstore.exceptions import AlreadyExistsError

        with self._explained(key):
            try:
                _client(self.uri).put(self.prefix + key, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def exists(self, key: str) -> bool:
        """Whether there is an object."""
        try:
            with self._explained(key):
                _client(self.uri).head(self.prefix + key)
        except NotFoundError:
            return False
        return True

    def keys(self, folder: str) -> list[str]:
        """Keys of all objects at any depth below a folder, sorted."""
        with self._explained(folder):
            found = [item["path"] for page in _client(self.uri).list(self.prefix + folder) for item in page]
        return sorted(path.removeprefix(self.prefix) for path in found)

    def folders(self, folder: str) -> list[str]:
        """Names of the folders directly in a folder, sorted."""
        with self._explained(folder):
            listed = _client(self.uri).list_with_delimiter(self.prefix + folder)
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
            yield
        except (exceptions.NotFoundError, FileNotFoundError) as error:
            raise _missing(address, str(error)) from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError) as error:
            raise StoreAccessError(
                "the object store refuses the credentials",
                given=address,
                do="check AWS_SHARED_CREDENTIALS_FILE or AWS_ACCESS_KEY_ID",
            ) from error
        except (exceptions.BaseError, OSError) as error:
            raise _failure(address, str(error)) from error


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
    if "://" not in uri:
        return "file://" + str(Path(uri).expanduser().absolute())
    if uri.partition("://")[0] not in SCHEMES:
        raise UsageError(
            "the store's URI is of an unknown kind", given=uri, expected="s3://, gs://, az://, file:// or a folder"
        )
    return uri.rstrip("/")


def _missing(address: str, reason: str) -> StoreError:
    if "NoSuchBucket" in reason or "bucket does not exist" in reason:
        return NotFoundError(
            "the bucket is not there", given=address, do="create the bucket, or correct ML_PIPELINE_STORE"
        )
    return NotFoundError("the object is not there", given=address)


def _failure(address: str, reason: str) -> StoreError:
    first = " ".join(reason.split())[:300]
    if any(sign in reason for sign in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "401")):
        return StoreAccessError(
            "the object store refuses the credentials",
            given=address,
            do="check AWS_SHARED_CREDENTIALS_FILE or AWS_ACCESS_KEY_ID",
        )
    if any(sign in reason for sign in ("No space left", "StorageFull", "InsufficientStorage", "507", "QuotaExceeded")):
        return StoreFullError(
            "the object store has no room left", given=address, do="free space, or name another store"
        )
    if "NoSuchBucket" in reason:
        return _missing(address, reason)
    return StoreError(
        "the object store did not answer as it should",
        given=f"{address}: {first}",
        do="check that it runs and that AWS_ENDPOINT_URL is right; `ml-pipeline store start` starts the embedded one",
    )


@cache
def _client(uri: str) -> Any:
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
    path = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    profile = os.environ.get("AWS_PROFILE", "default")
    file = configparser.ConfigParser()
    if not path.is_file() or not file.read(path) or profile not in file:
        return settings
    keys = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return settings | {key: file[profile][key] for key in keys if key in file[profile]}
