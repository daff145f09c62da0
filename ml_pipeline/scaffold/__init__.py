"""A new use case, as a folder that runs as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_pipeline.scaffold.draft import Asked


def new(name: str, asked: Asked | None, parent: Path) -> tuple[Path, str]:
    """Make the folder, from a CSV file or (without one) from records that are made up and lie in the folder.

    Returns:
        The folder, and a moment as of which the use case can be tried.

    Raises:
        UsageError: the name is taken or cannot be one, or a column is not what it is named for. Nothing is left then.
    """
    from tempfile import TemporaryDirectory

    from ml_pipeline.scaffold import files, sample
    from ml_pipeline.scaffold.draft import draft

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
    return folder, found.as_of.isoformat().replace("+00:00", "Z").removesuffix("T00:00:00Z")
