"""A new use case, as a folder that runs as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ml_pipeline.scaffold.draft import Asked


class Made(NamedTuple):
    """A new use case: its folder, a moment to try it at, and lines on what was understood of its records."""

    folder: Path
    as_of: str
    understood: list[str]


def new(name: str, asked: Asked | None, parent: Path) -> Made:
    """Make the folder, from a CSV file or (without one) from records that are made up and lie in the folder.

    Returns:
        The folder, a moment as of which the use case can be tried, and what was understood of the records.

    Raises:
        DataError: the file is not there, or is no CSV file.
        UsageError: the name is taken or cannot be one, or a column is not what it is named for. Nothing is left then.
    """
    from tempfile import TemporaryDirectory

    from ml_pipeline.scaffold import files, sample
    from ml_pipeline.scaffold.draft import draft
    from ml_pipeline.scaffold.understood import understood

    folder = files.new_folder(name, parent)
    with TemporaryDirectory(dir=parent, prefix=".new-") as place:
        made = Path(place) / name
        made.mkdir()
        if asked:
            found = draft(name, asked, str(asked.path.absolute()))
        else:
            (made / "data").mkdir()
            found = draft(name, sample.write(made / "data/visits.csv"), "data/visits.csv", synthetic=True)
        files.write(found, made)
        made.rename(folder)
    as_of = found.as_of.isoformat().replace("+00:00", "Z").removesuffix("T00:00:00Z")
    return Made(folder, as_of, understood(found))
