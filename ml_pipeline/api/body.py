"""The body of a request, within bounds."""

from __future__ import annotations

from starlette.types import Message, Receive, Scope

from ml_pipeline.errors import TooLargeError


class Gone(Exception):
    """The client left before its request was whole."""


async def read(scope: Scope, receive: Receive, most: int) -> bytes:
    """All of it, at most so many bytes.

    Raises:
        TooLargeError: there is more, or the headers say that there will be.
        Gone: the client left.
    """
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        return _within(message.get("body", b""), most)
    _refuse_beyond(_announced(scope), most)
    pieces = bytearray(message.get("body", b""))
    while message.get("more_body"):
        message = await receive()
        pieces += message.get("body", b"")
        _refuse_beyond(len(pieces), most)
    if message["type"] != "http.request":
        raise Gone
    return bytes(pieces)


def bounded(scope: Scope, receive: Receive, most: int) -> Receive:
    """`receive` of a request whose body somebody else reads; it raises as `read` does."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        first, size = not size, size + len(message.get("body", b""))
        _refuse_beyond(max(size, _announced(scope)) if first else size, most)
        return message

    return counted


def _within(body: bytes, most: int) -> bytes:
    _refuse_beyond(len(body), most)
    return body


def _refuse_beyond(size: int, most: int) -> None:
    if size > most:
        raise TooLargeError(
            "the body is too large",
            given=f"{size:,} bytes or more",
            expected=f"at most {most:,}",
            do="send fewer records in a request",
        )


def _announced(scope: Scope) -> int:
    """The length that the headers promise; 0 where they do not."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
