"""Commands that run stages, and show what runs left."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any

import click

from ml_pipeline.cli.common import as_json_text, json_option, remember, store_option, store_uri, use_case_argument
from ml_pipeline.cli.progress_lines import ProgressLines
from ml_pipeline.errors import NothingToDo, UsageError


@click.command("run")
@use_case_argument
@click.argument("mode", type=click.Choice(["offline", "online", "learning", "monitoring"]))
@click.option(
    "--stages", metavar="A,B", default="", help="Only these stages or steps, such as train or prepare.weather."
)
@click.option(
    "--as-of", metavar="T", help="The moment the run pretends to be at: a date or a date with time. Default now."
)
@click.option("--run-id", metavar="R", help="Name of the run. Default: mode and as-of.")
@click.option("--force", is_flag=True, help="Do again what is stored already.")
@click.option("--set", "changes", metavar="KEY=VALUE", multiple=True, help="Another value for a key of pipeline.yaml.")
@store_option
@json_option
def run_command(use_case: str, mode: Any, **asked: Any) -> None:
    """Run a use case offline (train), online (score), learning (go on from the champion with what became known) or
    monitoring (judge what was predicted by what became true)."""
    from ml_pipeline.contract import StageRequest, moment
    from ml_pipeline.discovery import find
    from ml_pipeline.run import default_run_id

    now = dt.datetime.now(dt.UTC).isoformat()
    parameters = dict(map(_change, asked["changes"]))
    as_of = moment(asked["as_of"] or now, find(use_case, parameters).config.timezone)
    request = StageRequest(
        use_case=use_case,
        mode=mode,
        stages=tuple(filter(None, asked["stages"].split(","))),
        run_id=asked["run_id"] or default_run_id(mode, as_of),
        as_of=as_of,
        store=store_uri(asked["store"]),
        parameters=parameters,
        force=asked["force"],
    )
    results = _run(request)
    if asked["as_json"]:
        click.echo(as_json_text(results))
    else:
        from ml_pipeline.terminal import results_table

        results_table(results)
    _exit(results)


def _change(text: str) -> tuple[str, Any]:
    """`split.test=122d`, the value as in YAML."""
    from ml_pipeline.config_file import value

    key, equals, written = text.partition("=")
    if not equals:
        raise UsageError("--set says nothing", given=text, expected="KEY=VALUE, such as split.test=122d")
    return key, value(written)


@click.command("stage", hidden=True)
@click.argument("request")
@click.option("--progress-to", metavar="FD", type=int, help="Write progress as JSON lines to this open file.")
@click.pass_context
def stage_command(ctx: click.Context, request: str, progress_to: int | None) -> None:
    """Run the stages of a StageRequest given as JSON: the door for machines. Errors are JSON."""
    import msgspec

    from ml_pipeline.contract import StageRequest

    remember(ctx, None, True)
    try:
        order = msgspec.json.decode(request, type=StageRequest)
    except msgspec.DecodeError as error:
        raise UsageError(f"this is no StageRequest: {error}", given=request[:200]) from error
    if progress_to is None:
        _exit(_run(order))
        return
    from ml_pipeline.cli.progress_pipe import ProgressPipe
    from ml_pipeline.run import run

    with ProgressPipe(progress_to) as progress:
        _exit(run(order, progress))


@click.command("runs")
@use_case_argument
@store_option
@json_option
def runs_command(use_case: str, store: str | None, as_json: bool) -> None:
    """List runs, with the URIs and digests of what they wrote."""
    from ml_pipeline.artifacts.store import Store
    from ml_pipeline.discovery import find
    from ml_pipeline.lineage.results import stored_results
    from ml_pipeline.terminal import runs_table

    find(use_case)
    results = stored_results(Store(store_uri(store)).within(use_case))
    if as_json:
        click.echo(as_json_text(results))
    else:
        runs_table(results)


@click.command("summary")
@use_case_argument
@click.option("--as-of", metavar="T", help="As of which moment; default the last runs.")
@store_option
def summary_command(use_case: str, as_of: str | None, store: str | None) -> None:
    """Show what the last training and scoring left: the model, how good it is, and what it ranks first."""
    from ml_pipeline.terminal import summary

    summary(use_case, store_uri(store), as_of)


@click.command("rejects")
@use_case_argument
@click.option("--stage", metavar="S", default="", help="Only of this stage or step, such as prepare.weather.")
@click.option("--run-id", metavar="R", default="", help="Of which run; default the last of each mode.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(0), help="Records to show of each reason.")
@store_option
@json_option
def rejects_command(use_case: str, stage: str, run_id: str, limit: int, **asked: Any) -> None:
    """Show the records that the last runs have set aside, and why."""
    from ml_pipeline.artifacts.store import Store
    from ml_pipeline.discovery import find
    from ml_pipeline.lineage.rejects import rejects
    from ml_pipeline.terminal import rejects_list

    find(use_case)
    found = rejects(Store(store_uri(asked["store"])).within(use_case), stage, run_id, limit)
    if asked["as_json"]:
        click.echo(as_json_text(found))
    else:
        rejects_list(found)


def _run(request: Any) -> Any:
    from ml_pipeline.run import run

    if sys.stderr.isatty():
        from ml_pipeline.terminal import progress_bar

        with progress_bar() as shown:
            return run(request, shown)
    return run(request, ProgressLines())


def _exit(results: Any) -> None:
    if results and all(result.status == "skipped" for result in results):
        raise NothingToDo(" ".join(note for result in results for note in result.notes))


COMMANDS = (run_command, stage_command, runs_command, rejects_command, summary_command)
