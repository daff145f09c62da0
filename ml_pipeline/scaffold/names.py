"""Names of columns that code and a configuration can use."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Sequence

from ml_pipeline.chain import REJECTED

ANSWER = frozenset(["probability", "band", "rank", "prediction", "model_version"])
"""Columns of a draft's answer."""
CODE = frozenset(["np", "chain", "keep", "float", "Category", "Floats", "Chain", "Preparation", "worth", "known"])
"""What models.py of a draft uses."""
TAKEN = ANSWER | CODE | frozenset([REJECTED, *keyword.kwlist])


def own_names(names: Sequence[str]) -> dict[str, str]:
    """For every name in a file one of letters, digits and underscores that nothing else has; its own, where it can be.

    >>> own_names(["seen_at", "Loan ID", "loan id", "Größe (cm)", "2nd visit", "class", "数"])
    {'seen_at': 'seen_at', 'Loan ID': 'loan_id', 'loan id': 'loan_id_2', 'Größe (cm)': 'grosse_cm', \
'2nd visit': 'column_2nd_visit', 'class': 'class_', '数': 'column'}
    """
    found = {name: name for name in names if _is_plain(name)}
    for name in names:
        if name not in found:
            found[name] = _free(_plain(name), found.values())
    return {name: found[name] for name in names}


def _is_plain(name: str) -> bool:
    return re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) is not None and name not in TAKEN


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    words = re.sub("[^a-z0-9]+", "_", letters).strip("_")
    if not words or words[0].isdigit():
        words = f"column_{words}".rstrip("_")
    return f"{words}_" if words in TAKEN else words


def _free(name: str, others: Collection[str]) -> str:
    number, found = 1, name
    while found in others:
        number += 1
        found = f"{name}_{number}"
    return found
