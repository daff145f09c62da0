"""The token file: who may call, and what they may do. It holds hashes; a token is shown once, when it is made."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal

import msgspec

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.artifacts.process import write_private
from ml_pipeline.errors import IntegrityError, PipelineError, UsageError

Scope = Literal["read", "score", "run", "promote"]
SCOPES: tuple[Scope, ...] = ("read", "score", "run", "promote")
PREFIX = "mlp_"
"""Tokens begin so, that programs which look for secrets in code find them."""
log = logging.getLogger("ml_pipeline.api")
LOOK_AGAIN = 1.0
"""Seconds until a changed file counts."""


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of the file: SHA-256 in hexadecimal; tokens are random and long, so nothing slower is needed."""

    name: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_.@-]{1,64}$")]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1)]


class TokenFile:
    """A token file that is followed: an entry that is taken out counts no more within a second.

    Raises:
        UsageError: it is not there, others may write it, or it holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.tokens = path, read(path)
        self.state, self.looked = _state(path), monotonic()

    def find(self, secret: bytes) -> Token | None:
        """The entry of a token. It takes as long whichever entry it is."""
        self._follow()
        hashed, found = hashlib.sha256(secret).hexdigest(), None
        for token in self.tokens:
            if hmac.compare_digest(token.sha256, hashed):
                found = token
        return found

    def _follow(self) -> None:
        """Read the file again if it changed; one that cannot be read lets nobody in."""
        now = monotonic()
        if now - self.looked < LOOK_AGAIN:
            return
        self.looked, state = now, _state(self.path)
        if state != self.state:
            self.state, self.tokens = state, []
            try:
                self.tokens = read(self.path)
            except PipelineError as error:
                log.error("nobody is let in any more: %s", error)  # noqa: TRY400 - a sentence, no traceback


def read(path: Path) -> list[Token]:
    """The entries of a file."""
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise UsageError(
            "the token file cannot be read", given=f"{path}: {error.strerror}", do="make one: `ml-pipeline api-token`"
        ) from error
    if mode & 0o022:
        raise UsageError(
            "others may write the token file",
            given=f"{path}, mode {mode & 0o777:o}",
            expected="mode 600",
            do=f"chmod 600 {path}",
        )
    return _parse(path, content)


def add(path: Path, name: str, scopes: Iterable[str]) -> str:
    """Make a token, add its hash to the file, and return the token: nobody can tell it again.

    Raises:
        UsageError: the name is taken or none, or the file holds something else.
    """
    tokens = read(path) if path.exists() else []
    if name in {token.name for token in tokens}:
        raise UsageError("the name is taken", given=name, do="choose another, or take the entry out of the file")
    secret = PREFIX + secrets.token_urlsafe(32)
    entry = {"name": name, "sha256": hashlib.sha256(secret.encode()).hexdigest(), "scopes": list(scopes)}
    try:
        new = msgspec.convert(entry, Token)
    except msgspec.ValidationError as error:
        raise UsageError(
            "this is no name for a token", given=name, expected="letters, digits and any of _ . @ -, up to 64"
        ) from error
    write_private(path, plain_yaml.dump({"tokens": msgspec.to_builtins([*tokens, new])}).decode())
    return secret


def _parse(path: Path, content: bytes) -> list[Token]:
    try:
        found = plain_yaml.load(content, str(path))
        return msgspec.convert(found["tokens"], list[Token])
    except (IntegrityError, msgspec.ValidationError, KeyError, TypeError) as error:
        raise UsageError(
            "this is no token file",
            given=f"{path}: {error}",
            expected="tokens: a list of name, sha256 and scopes",
            do="correct it, or make another: `ml-pipeline api-token`",
        ) from error


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when the file does; of one that is gone, zeros."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
