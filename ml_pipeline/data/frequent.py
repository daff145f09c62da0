"""Which words are frequent, and how many rows have each: bounded, whatever the number of words.

Misra and Gries' algorithm as Apache DataSketches has it (Anderson et al., "A high-performance algorithm for identifying
frequent items in data streams", 2017).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from datasketches import frequent_strings_sketch

LOG_PLACES = 10
"""Binary logarithm of the places of the table: three quarters of them are used, so up to 768 words are all known."""
KNOWN = 3 << (LOG_PLACES - 2)


class Frequent(msgspec.Struct, frozen=True, array_like=True):
    """A sketch of frequent strings, as the bytes of DataSketches; no bytes where there is no word.

    The rows of a word are counted too low by 0.35 % of all rows at most, and exactly while there are `KNOWN` words.
    """

    content: bytes = b""

    @classmethod
    def of(cls, counted: Iterable[tuple[str, int]]) -> Frequent:
        """Of words and the rows (1 or more) that have each.

        >>> Frequent.of([("a", 3), ("b", 1)]).words()
        {'a': 3, 'b': 1}
        """
        from datasketches import frequent_strings_sketch

        sketch = frequent_strings_sketch(LOG_PLACES)
        for word, rows in counted:
            # Half a surrogate is in no UTF-8.
            sketch.update(word if word.isascii() else word.encode("utf-8", "replace").decode(), rows)
        return cls(b"" if sketch.is_empty() else sketch.serialize())

    def merge(self, other: Frequent) -> Frequent:
        """Of the rows of both."""
        if not self.content or not other.content:
            return self if self.content else other
        both = _opened(self)
        both.merge(_opened(other))
        return Frequent(both.serialize())

    def words(self) -> dict[str, int]:
        """The words that are known and the rows that surely have each, the most frequent first, then by name."""
        if not self.content:
            return {}
        from datasketches import frequent_items_error_type

        listed = _opened(self).get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
        return {word: least for word, _, least, _ in sorted(listed, key=lambda item: (-item[2], item[0])) if least}

    def is_complete(self) -> bool:
        """Whether all words are known and counted exactly."""
        return not self.content or _opened(self).get_upper_bound("") == _opened(self).get_lower_bound("")


def _opened(frequent: Frequent) -> frequent_strings_sketch:
    from datasketches import frequent_strings_sketch

    return frequent_strings_sketch.deserialize(frequent.content)
