"""A store in which datasets that only the steps of one order read pass through memory instead.

What a dataset is does not change: the same parts with the same digests, and a manifest last. Only where it lies does.
"""

from __future__ import annotations

from collections.abc import Collection
from threading import RLock
from typing import NamedTuple

from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import MEMORY


class Held(NamedTuple):
    """A folder in memory: the names that its dataset goes by, and its objects."""

    names: frozenset[str]
    objects: dict[str, bytes]

    @property
    def size(self) -> int:
        """Bytes of all objects."""
        return sum(map(len, self.objects.values()))


class PassingStore(Store):
    """A store, and in front of it some folders in memory, as long as there is room for them.

    Objects of such a folder are found by `get`, `exists` and `verified`; all others, and all that is listed, are those
    of the store.

    Args:
        uri: The store's.
        prefix: Of all keys.
        names: Of the datasets that pass.
        room: Bytes that all of them may take. One that goes beyond is stored, whole.
    """

    def __init__(self, uri: str, prefix: str = "", names: Collection[str] = (), room: int = 0) -> None:
        super().__init__(uri, prefix)
        self.names, self.room = frozenset(names), room
        self._held: dict[str, Held] = {}
        self._lock = RLock()

    def expect(self, folder: str, names: Collection[str]) -> None:
        """A dataset is going to be written, which goes by these names: it is held if all of them pass."""
        if self.names.issuperset(names):
            self._held[folder] = Held(frozenset(names), {})

    def settle(self, folder: str) -> None:
        """Store what is held of a folder; whatever is written there from now on is stored too."""
        with self._lock:
            held = self._held.pop(folder, None)
            for name, content in held.objects.items() if held else ():
                super().put(f"{folder}/{name}", content)

    def release(self, needed: Collection[str]) -> None:
        """Forget the datasets that go by none of the names that are still needed."""
        self._held = {folder: held for folder, held in self._held.items() if not held.names.isdisjoint(needed)}

    def address(self, key: str) -> str:
        """Where a key lies: its full URI, or that it is in memory."""
        held = key in self._held or key.rpartition("/")[0] in self._held
        return f"{MEMORY}{self.prefix}{key}" if held else super().address(key)

    def get(self, key: str) -> bytes:
        """The bytes of an object.

        Raises:
            NotFoundError: there is none.
        """
        content = self._found(key)
        return super().get(key) if content is None else content

    def exists(self, key: str) -> bool:
        """Whether there is an object."""
        return self._found(key) is not None or super().exists(key)

    def put(self, key: str, content: bytes) -> None:
        """Write an object, whole, over whatever was there."""
        if not self._holds(key, content):
            super().put(key, content)

    def create(self, key: str, content: bytes) -> bool:
        """Write an object only if there is none; False where there is one, of whatever content."""
        return self._found(key) is None and (self._holds(key, content) or super().create(key, content))

    def _found(self, key: str) -> bytes | None:
        folder, _, name = key.rpartition("/")
        return self._held[folder].objects.get(name) if folder in self._held else None

    def _holds(self, key: str, content: bytes) -> bool:
        """Hold an object of a folder that passes, if there is room; else the folder passes no longer."""
        folder, _, name = key.rpartition("/")
        with self._lock:
            if folder not in self._held:
                return False
            if sum(held.size for held in self._held.values()) + len(content) > self.room:
                self.settle(folder)
                return False
            self._held[folder].objects[name] = content
            return True
