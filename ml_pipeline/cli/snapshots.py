"""Commands about the raw snapshots of a source."""

from __future__ import annotations

import click

from ml_pipeline.cli.common import store_option, store_uri, use_case_argument
from ml_pipeline.errors import UsageError


@click.command("forget")
@use_case_argument
@click.argument("source")
@store_option
def forget_command(use_case: str, source: str, store: str | None) -> None:
    """Forget the snapshots of a source: the next run reads all of it again, as sources.py has it then.

    For a source that was mended, or whose types or address changed. Datasets and models that were made from the
    snapshots stay as they are.
    """
    from ml_pipeline.artifacts.store import Store
    from ml_pipeline.discovery import find
    from ml_pipeline.handlers.snapshots import forget

    known = [name for name, own in find(use_case).config.sources.items() if own.reader]
    if source not in known:
        raise UsageError("there is no such source", given=source, expected=", ".join(known))
    count = forget(Store(store_uri(store)).within(use_case), source)
    click.echo(f"{count} snapshots of {source} forgotten")
