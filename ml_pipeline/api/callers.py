"""Who is calling, and what they may do.

Without tokens everybody may do everything, which a server offers on loopback alone. A page in a browser is on loopback
too, so a server without tokens answers only what is addressed to it by a name of loopback, and no page of another site.
"""

from __future__ import annotations

from typing import NamedTuple

from starlette.types import Scope

from ml_pipeline.api.settings import LOOPBACK
from ml_pipeline.api.tokens import SCOPES, TokenFile
from ml_pipeline.errors import CallerError, ScopeError

OPEN = frozenset({"/health", "/ready", "/v2/health/live", "/v2/health/ready"})
"""What whoever watches a server asks, before it has any token."""


class Caller(NamedTuple):
    """A name for logs and files, and the scopes that its token has."""

    name: str
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        """The name for the promotion log; "" for whoever runs the server, where callers have none."""
        return "" if self is ANYBODY else self.name

    def need(self, scope: str) -> None:
        """Return if this caller may do what a scope stands for.

        Raises:
            ScopeError: it may not.
        """
        if scope not in self.scopes:
            raise ScopeError(
                "the token does not allow this",
                given=f"{self.name} with " + (", ".join(sorted(self.scopes)) or "no scope"),
                expected=f"the scope {scope}",
                do="use another token, or have one made: `ml-pipeline api-token`",
            )


ANYBODY = Caller("anybody", frozenset(SCOPES))
NOBODY = Caller("nobody", frozenset())


class Callers:
    """All who may call: those with a token of a file, or everybody where there is no file."""

    def __init__(self, tokens: TokenFile | None) -> None:
        self.tokens = tokens

    def identify(self, scope: Scope) -> Caller:
        """Who sends a request.

        Raises:
            CallerError: it has no token that is known.
            ScopeError: it comes from a page of another site, to a server without tokens.
        """
        if self.tokens is None:
            _refuse_pages(scope)
            return ANYBODY
        for name, value in scope["headers"]:
            if name == b"authorization":
                return self._bearer(value)
        if scope["path"] in OPEN:
            return NOBODY
        raise _unknown("no token")

    def _bearer(self, value: bytes) -> Caller:
        kind, _, secret = value.partition(b" ")
        found = self.tokens.find(secret.strip()) if self.tokens and kind.lower() == b"bearer" else None
        if found is None:
            raise _unknown("a token that is not known" if kind.lower() == b"bearer" else "another kind of credentials")
        return Caller(found.name, frozenset(found.scopes))


def _unknown(given: str) -> CallerError:
    return CallerError(
        "this server answers callers with a token",
        given=given,
        expected="the header Authorization: Bearer TOKEN",
        do="send a token; `ml-pipeline api-token` makes one",
    )


def _refuse_pages(scope: Scope) -> None:
    for name, value in scope["headers"]:
        if name == b"host" and _name(value) not in LOOPBACK:
            raise _other_site("the name", value)
        if name == b"origin" and _name(value.partition(b"://")[2]) not in LOOPBACK:
            raise _other_site("a page of", value)


def _name(address: bytes) -> str:
    """A host's name, without its port.

    >>> _name(b"localhost:8000"), _name(b"[::1]:80")
    ('localhost', '::1')
    """
    text = address.decode("latin-1")
    return text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]


def _other_site(what: str, value: bytes) -> ScopeError:
    return ScopeError(
        "a server without tokens answers this machine alone",
        given=f"{what} {value.decode('latin-1')}",
        expected="one of " + ", ".join(LOOPBACK),
        do="call it by one of these names, or start it with --tokens",
    )
