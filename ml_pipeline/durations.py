"""Lengths of time as people write them: `90s`, `15min`, `2h`, `30d`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ml_pipeline.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

_SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_PATTERN = re.compile(r"([0-9]{1,9})\s*(s|min|h|d)", re.ASCII)


@lru_cache(64)
def duration(text: str) -> np.timedelta64:
    """A length of time in microseconds, from a whole number and one of the units s, min, h and d.

    >>> duration("15min")
    np.timedelta64(900000000,'us')

    Raises:
        ConfigError: the text is something else.
    """
    import numpy as np

    return np.timedelta64(microseconds(text), "us")


def microseconds(text: str) -> int:
    """The same as a number, for those who read a configuration and need no NumPy.

    >>> microseconds("2h")
    7200000000
    """
    found = _read(text) if isinstance(text, str) else None
    if found is None:
        raise ConfigError(
            "A length of time cannot be read",
            given=repr(text),
            expected="a whole number and a unit: s, min, h or d",
            do="write for example 90s, 15min, 2h or 30d",
        )
    return found


@lru_cache(256)
def _read(text: str) -> int | None:
    found = _PATTERN.fullmatch(text.strip())
    return int(found[1]) * _SECONDS[found[2]] * 1_000_000 if found else None
