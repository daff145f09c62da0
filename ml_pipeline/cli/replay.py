"""The command that proves that REST and batch score alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ml_pipeline.cli.common import as_json_text, json_option, store_option, store_uri, use_case_argument


@click.command("replay")
@use_case_argument
@click.option("--as-of", metavar="T", required=True, help="The moment of the scoring run.")
@click.option("--run-id", metavar="R", help="Name of the scoring run. Default: online and as-of.")
@click.option("--url", metavar="URL", default="", help="A REST server; default one that is started for it.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File with the token that the server asks for.")
@store_option
@json_option
def replay_command(use_case: str, as_of: str, **asked: Any) -> None:
    """Send the records of a scoring run through the REST door, and compare all answers to the last bit."""
    from ml_pipeline.artifacts.store import Store
    from ml_pipeline.contract import moment
    from ml_pipeline.discovery import find
    from ml_pipeline.handlers.replay import batch_of, replayed
    from ml_pipeline.handlers.rest_door import RestDoor, opened
    from ml_pipeline.run import default_run_id

    found, store = find(use_case), store_uri(asked["store"])
    at = moment(as_of, found.config.timezone)
    run_id = asked["run_id"] or default_run_id("online", at)
    batch = batch_of(Store(store).within(use_case), found.config, run_id)
    if asked["url"]:
        token = asked["token_file"].read_text().strip() if asked["token_file"] else ""
        done = replayed(found, batch, run_id, at, RestDoor(asked["url"], token))
    else:
        with opened(use_case, store) as url:
            done = replayed(found, batch, run_id, at, RestDoor(url))
    click.echo(as_json_text(done) if asked["as_json"] else str(done))
