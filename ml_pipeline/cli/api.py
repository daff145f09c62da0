"""Commands of the REST door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ml_pipeline.cli.common import store_option, store_uri
from ml_pipeline.errors import UsageError


@click.command("api")
@click.option("--use-case", "use_cases", metavar="U", multiple=True, help="Offer this one; default all there are.")
@click.option("--service", "services", metavar="MODE/NAME", multiple=True, help="Offer this alone, as online/serve.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 for any that is free.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--tokens", type=click.Path(path_type=Path), help="Token file; needed beyond this machine.")
@click.option("--shadow", metavar="U=VERSION", multiple=True, help="Score this model too, and record what it says.")
@click.option("--runs", default=2, show_default=True, type=click.IntRange(1), help="Runs at work at the same time.")
@store_option
def api_command(use_cases: tuple[str, ...], services: tuple[str, ...], store: str | None, **asked: Any) -> None:
    """Serve use cases over REST: score records, order stages, see runs and models. /openapi.json describes it."""
    from ml_pipeline.api.server import serve
    from ml_pipeline.api.settings import Bounds, Settings
    from ml_pipeline.discovery import names

    settings = Settings(
        use_cases=use_cases or tuple(names()),
        store=store_uri(store),
        services=services,
        tokens=str(asked["tokens"].absolute()) if asked["tokens"] else "",
        shadow=dict(map(_shadow, asked["shadow"])),
        bounds=Bounds(runs=asked["runs"]),
    )
    serve(settings, asked["host"], asked["port"], asked["workers"])


@click.command("api-token")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(["read", "score", "run", "promote"]))
@click.option(
    "--tokens", type=click.Path(path_type=Path), default=Path("tokens.yaml"), show_default=True, help="Token file."
)
def token_command(name: str, scopes: tuple[str, ...], tokens: Path) -> None:
    """Make a token for a caller of the REST API and print it, this once; the file keeps its hash."""
    from ml_pipeline.api.tokens import add

    click.echo(add(tokens, name, scopes))


def _shadow(text: str) -> tuple[str, str]:
    use_case, equals, version = text.partition("=")
    if not equals:
        raise UsageError("--shadow says nothing", given=text, expected="USE_CASE=VERSION")
    return use_case, version


COMMANDS = (api_command, token_command)
