"""How far a stage is, as JSON lines for the process that started it."""

from __future__ import annotations

import json
import os
from types import TracebackType

from ml_pipeline.errors import Terminated, UsageError


class ProgressPipe:
    """Called as `ProgressLines`; a reader that is gone ends the stage, for nobody waits for it any more.

    Raises:
        UsageError: the file is not open.
    """

    def __init__(self, file: int) -> None:
        try:
            self.file = os.fdopen(file, "w", buffering=1)
        except OSError as error:
            raise UsageError("progress cannot be written there", given=f"{file}: {error.strerror}") from error

    def __enter__(self) -> ProgressPipe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def __call__(self, step: str, done: int, of: int) -> None:
        try:
            self.file.write(json.dumps({"step": step, "done": done, "of": of}) + "\n")
        except BrokenPipeError as error:
            raise Terminated("whoever ordered the stage is gone", do="order it again") from error

    def _close(self) -> None:
        try:
            self.file.close()
        except BrokenPipeError:  # what was not read in time is of no use to anybody
            return
