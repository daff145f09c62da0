from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.durations import duration
from ml_pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15min", 900), ("2h", 7200), ("30d", 30 * 86_400), ("0h", 0), (" 3 h ", 10_800)]
)
def test_a_number_and_a_unit_are_a_length_of_time(text: str, seconds: int) -> None:
    assert duration(text) == np.timedelta64(seconds, "s")
    assert duration(text).dtype == "timedelta64[us]"


@pytest.mark.parametrize("text", ["", "2", "h", "-1d", "1.5h", "1w", "2 hours", "٣h", "1h 30min", "9" * 12 + "d"])
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ConfigError, match=r"length of time.*Expected: a whole number.*To do: write for example"):
        duration(text)
