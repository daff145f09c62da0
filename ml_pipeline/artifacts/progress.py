"""What a pull has so far: objects by name, kept until the snapshot that they are for is whole."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from ml_pipeline.artifacts.store import Store
from ml_pipeline.errors import NotFoundError


class Progress(MutableMapping[str, bytes]):
    """A folder of the store as a mapping of names to contents; each is written whole or not at all."""

    def __init__(self, store: Store, folder: str) -> None:
        self.store, self.folder = store, folder

    def __getitem__(self, name: str) -> bytes:
        try:
            return self.store.get(self.folder + name)
        except NotFoundError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, content: bytes) -> None:
        self.store.put(self.folder + name, content)

    def __delitem__(self, name: str) -> None:
        self.store.delete(self.folder + name)

    def __iter__(self) -> Iterator[str]:
        return iter([key.removeprefix(self.folder) for key in self.store.keys(self.folder)])

    def __len__(self) -> int:
        return len(self.store.keys(self.folder))

    def clear(self) -> None:
        """Forget all of it."""
        for name in self:
            del self[name]
