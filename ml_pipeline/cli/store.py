"""Commands of the embedded object store."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("store")
def store_group() -> None:
    """The embedded object store, a real S3 server on this machine."""


folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(".ml-pipeline/store"), show_default=True
)


@store_group.command("start")
@folder_option
def store_start(folder: Path) -> None:
    """Start it (or find it running) and print the settings as shell lines: eval "$(ml-pipeline store start)"."""
    from ml_pipeline.artifacts import embedded

    endpoint = embedded.start(folder)
    for name, value in {"ML_PIPELINE_STORE": endpoint.uri, **endpoint.environment}.items():
        click.echo(f"export {name}={value}")


@store_group.command("stop")
@folder_option
def store_stop(folder: Path) -> None:
    """Stop it; what was written stays."""
    from ml_pipeline.artifacts import embedded

    click.echo("stopped" if embedded.stop(folder) else "it was not running")


@store_group.command("status")
@folder_option
def store_status(folder: Path) -> None:
    """Say whether it runs, and where."""
    from ml_pipeline.artifacts import embedded

    endpoint = embedded.status(folder)
    click.echo(f"{endpoint.uri} at {endpoint.url}" if endpoint else "it is not running")
