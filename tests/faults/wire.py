"""The network between stages and their store: a wire that can be cut, and that can be slow."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from contextlib import suppress
from typing import NamedTuple

PIECE = 1 << 16


class Address(NamedTuple):
    """Where somebody listens."""

    host: str
    port: int


class Wire:
    """Passes bytes on between whoever connects and the target, while it is whole.

    Args:
        target: Who answers at the other end.
        host: The address of this machine on which to listen.
    """

    def __init__(self, target: Address, host: str) -> None:
        self.target, self.delay, self.whole = target, 0.0, True
        self.listener = socket.create_server((host, 0), backlog=256)
        self.address = Address(host, self.listener.getsockname()[1])
        self.pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.guard = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections, and take no others until it is mended."""
        with self.guard:
            self.whole = False
            pairs, self.pairs = self.pairs, set()
        for pair in pairs:
            _end(pair)  # whoever serves it sees that, and closes it

    def mend(self) -> None:
        """All is as it should be."""
        self.whole, self.delay = True, 0.0

    def slow(self, seconds: float) -> None:
        """Each piece of every connection waits so long."""
        self.delay = seconds

    def close(self) -> None:
        """For good."""
        self.cut()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self.target, timeout=5)
        except OSError:
            near.close()
            return
        with near, far:
            self._join((near, far))

    def _join(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self.guard:
            if not self.whole:
                return
            self.pairs.add(pair)
        with suppress(OSError), selectors.DefaultSelector() as ready:
            for one, other in (pair, pair[::-1]):
                ready.register(one, selectors.EVENT_READ, other)
            self._pass_on(ready)
        _end(pair)
        with self.guard:
            self.pairs.discard(pair)

    def _pass_on(self, ready: selectors.BaseSelector) -> None:
        while True:
            for key, _ in ready.select():
                one: socket.socket = key.fileobj  # type: ignore[assignment]
                piece = one.recv(PIECE)
                if not piece:
                    return
                time.sleep(self.delay)
                key.data.sendall(piece)


def _end(pair: tuple[socket.socket, socket.socket]) -> None:
    for one in pair:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
