"""Names of columns that code or a configuration can use."""

from __future__ import annotations

import keyword
import re

from ml_pipeline.errors import UsageError

ANSWER = frozenset(["probability", "band", "rank", "prediction", "model_version"])
"""Columns of a draft's answer."""
CODE = frozenset(["np", "chain", "keep", "float", "Category", "Floats", "Chain", "Preparation", *keyword.kwlist])
"""What models.py of a draft uses, and Python's own words."""


def is_plain(name: str) -> bool:
    """Whether a configuration can name it.

    >>> [is_plain(name) for name in ("seen_at", "seen at", "größe")]
    [True, False, False]
    """
    return re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) is not None


def check_name(purpose: str, name: str, taken: frozenset[str] = ANSWER) -> None:
    """Whether a column can have a part of its own.

    Raises:
        UsageError: it cannot, because of its name.
    """
    if not is_plain(name) or name in taken:
        raise UsageError(
            f"the column for {purpose} has a name that code cannot use",
            given=repr(name),
            expected="letters, digits and underscores, and no word of Python's or of the draft's own",
            do="rename the column in the file",
        )
