"""The wire passes on what it is given, ends what it is cut for, and is whole again when it is mended."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.faults.wire import Address, Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    """To a server that sends back whatever comes."""
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_send_back, args=(server,), daemon=True).start()
    made = Wire(Address(*server.getsockname()), "127.0.0.1")
    yield made
    made.close()
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def test_what_is_sent_comes_back(wire: Wire) -> None:
    with socket.create_connection(wire.address) as near:
        assert _echo(near, b"hello" * 100_000) == b"hello" * 100_000
        wire.slow(0.01)
        assert _echo(near, b"again") == b"again"


def test_a_cut_ends_connections_and_takes_no_others_until_it_is_mended(wire: Wire) -> None:
    with socket.create_connection(wire.address) as near:
        assert _echo(near, b"hello") == b"hello"
        wire.cut()
        assert near.recv(1) == b""
    with socket.create_connection(wire.address) as near:
        assert near.recv(1) == b""
    wire.mend()
    with socket.create_connection(wire.address) as near:
        assert _echo(near, b"hello") == b"hello"


def _echo(near: socket.socket, content: bytes) -> bytes:
    """What comes back of what is sent at the same time."""
    sender = threading.Thread(target=near.sendall, args=(content,))
    sender.start()
    found = b""
    while len(found) < len(content):
        found += near.recv(1 << 16)
    sender.join()
    return found


def _send_back(server: socket.socket) -> None:
    while True:
        try:
            own, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_send_back_on, args=(own,), daemon=True).start()


def _send_back_on(own: socket.socket) -> None:
    with own:
        while piece := own.recv(1 << 16):
            own.sendall(piece)
