"""The proof that a stored model still is what was evaluated: it loads, and scores its golden rows to the last bit."""

from __future__ import annotations

from ml_pipeline.artifacts import golden
from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.discovery import UseCase
from ml_pipeline.errors import FAULTS, IntegrityError, NotFoundError


def prove(use_case: UseCase, registry: Registry, version: str) -> str:
    """Score the golden rows of a model with the code of today; a note where there are none to score.

    Raises:
        IntegrityError: its parameters were tampered with, or it predicts otherwise than when it was evaluated.
    """
    key = registry.key(version, golden.GOLDEN)
    model, parameters = use_case.load(registry.model(version).model), registry.parameters(version)
    try:
        content = registry.store.get(key)
    except NotFoundError:
        return f"{version} has no golden rows: that it predicts here as it did where it was evaluated is not proved."
    try:
        golden.check(model, parameters, content, registry.store.address(key))
    except FAULTS as error:
        raise IntegrityError(
            "the model cannot score its golden rows",
            given=f"{registry.store.address(key)}: {type(error).__name__}: {error}",
            expected="the columns and the code it was evaluated with",
            do="run the code that the model was made by, or train again",
        ) from error
    return ""
