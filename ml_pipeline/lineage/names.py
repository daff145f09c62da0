"""What people call a model: its version, the beginning of it, or its role."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import groupby

from ml_pipeline.artifacts.promotion_log import LONG_AGO
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.errors import NotFoundError, UsageError
from ml_pipeline.lineage.results import stored_results

SHORTEST = 4
"""Characters that the beginning of a version must have at least."""
CHAMPION, CANDIDATE = "champion", "candidate"


def resolve(registry: Registry, name: str) -> str:
    """The version that a name means.

    Raises:
        NotFoundError: there is no such model; names the nearest ones.
        UsageError: it may mean several, or nobody has the role.
    """
    if name == CHAMPION:
        return _champion(registry)
    if name == CANDIDATE:
        return _candidate(registry)
    if name and registry.has(name):
        return name
    if len(name) < SHORTEST:
        raise _unknown(registry, name, f"a version, at least {SHORTEST} characters of it, {CHAMPION} or {CANDIDATE}")
    return _beginning(registry, name)


def _beginning(registry: Registry, name: str) -> str:
    found = [version for version in registry.named(name) if registry.has(version)]
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} models have a version that begins so",
            given=name,
            expected="one of " + ", ".join(found),
            do="give more characters",
        )
    if not found:
        raise _unknown(registry, name, f"a version or the beginning of one, {CHAMPION} or {CANDIDATE}")
    return found[0]


def _unknown(registry: Registry, name: str, expected: str) -> NotFoundError:
    near = [version for version in _near(name, registry.named()) if registry.has(version)]
    return NotFoundError(
        "there is no such model",
        given=name or "an empty name",
        expected=expected,
        do=f"did you mean {' or '.join(near)}?" if near else "`ml-pipeline models list` names those there are",
    )


def _near(name: str, versions: Sequence[str]) -> list[str]:
    """The versions that are spelt most like it; of the beginning of one, like the beginnings of others."""
    whole = {version[: len(name)]: version for version in reversed(versions)}
    return [whole[beginning] for beginning in difflib.get_close_matches(name, whole)]


def _champion(registry: Registry) -> str:
    version = registry.champion()
    if not version:
        raise UsageError("there is no champion yet", do="promote a model: `ml-pipeline models promote`")
    return version


def _candidate(registry: Registry) -> str:
    """The newest evaluated model that is not champion; of several of one as-of the one that was evaluated last."""
    champion = registry.champion()
    for _, models in groupby(registry.by_as_of(), key=lambda model: model[0]):
        found = [version for _, version in models if version != champion and registry.is_evaluated(version)]
        if found:
            return found[0] if len(found) == 1 else _evaluated_last(registry, found)
    raise UsageError(
        "there is no candidate",
        expected="an evaluated model besides the champion",
        do="train and evaluate one: `ml-pipeline run USE_CASE offline`",
    )


def _evaluated_last(registry: Registry, versions: Sequence[str]) -> str:
    """By the results that runs left."""
    results = sorted(stored_results(registry.store, "evaluate"), key=lambda result: result.finished)
    last = {result.model_version: result.finished for result in results}
    return max(versions, key=lambda version: last.get(version, LONG_AGO))
