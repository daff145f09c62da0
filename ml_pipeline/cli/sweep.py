"""The command that removes what stages have left, on a container engine and in the store."""

from __future__ import annotations

import datetime as dt
import importlib
from typing import Any

import click

from ml_pipeline.cli.common import as_json_text, json_option, store_option, store_uri
from ml_pipeline.errors import UsageError

PLUGIN = "ml_pipeline_airflow.sweep"
"""Whoever knows the engine; this package does not, and may be installed without it."""


@click.command("sweep")
@click.option("--orphans", is_flag=True, help="Remove containers whose run is over, too.")
@store_option
@json_option
def sweep_command(store: str | None, *, orphans: bool, as_json: bool) -> None:
    """Remove containers of failed stages that were kept for long enough, and name those whose run is over.

    ML_PIPELINE_KEEP_FAILED says for how long (24h). Which runs are over, Airflow knows: where its settings are in the
    environment, it is asked. In the store, parts of datasets that were begun a day ago or more and never finished go.
    """
    from ml_pipeline.artifacts import leftovers
    from ml_pipeline.artifacts.store import Store

    plugin = _plugin()
    swept = plugin.sweep_here(plugin.known_to_airflow, store or "", orphans=orphans)
    unfinished = leftovers.sweep(Store(store_uri(store)), dt.datetime.now(dt.UTC))
    if as_json:
        click.echo(as_json_text({**swept._asdict(), "unfinished": unfinished}))
        return
    for what, found in [("removed", swept.removed), ("orphan", swept.orphans)]:
        for name, dag, run, says in found:
            click.echo(f"{what}: {name} of {dag}, run {run}: {says}")
    for address in unfinished:
        click.echo(f"removed: {address}, a dataset that was never finished")
    if not (swept.removed or swept.orphans or unfinished):
        click.echo("nothing to sweep up")


def _plugin() -> Any:
    """Raises: UsageError: it is not there."""
    try:
        return importlib.import_module(PLUGIN)
    except ImportError as error:
        raise UsageError(
            "sweep needs what runs stages in containers",
            given=str(error),
            expected="the plugins and the extra airflow, as where Airflow runs",
            do="run it there",
        ) from error
