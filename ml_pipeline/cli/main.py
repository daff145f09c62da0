"""The command line: one door to the same function as all others. Each noun has its commands in a file of its own."""

from __future__ import annotations

import logging
import os
import signal
import sys

import click

from ml_pipeline.cli import api, models, replay, runs, snapshots, store, sweep, use_cases
from ml_pipeline.cli.common import Commands, say
from ml_pipeline.errors import Terminated

PATIENCE = 2
"""Seconds that a process which is told to stop waits for its workers."""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-v", "--verbose", is_flag=True, help="Say more while working.")
def main(verbose: bool) -> None:
    """Nightly training and daily scoring of models made of stateless parts.

    The object store is named by ML_PIPELINE_STORE (s3://bucket, gs://bucket, az://container or a folder) and reached
    with the standard AWS_*, GOOGLE_* or AZURE_* settings. Exit codes: 0 done, 99 nothing to do, others a failure.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported: workers are threads of ours
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # a fifth less memory, in the same time
    _log(logging.DEBUG if verbose else logging.INFO)
    signal.signal(signal.SIGTERM, _terminate)


def _log(level: int) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    logger = logging.getLogger("ml_pipeline")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(level)


def _terminate(number: int, _: object) -> None:
    """Stop in good order; but a worker in the middle of a batch cannot be interrupted, and may take long."""
    signal.signal(signal.SIGALRM, _abandon)
    signal.alarm(PATIENCE)
    raise Terminated("the process was told to stop", given=f"signal {number}")


def _abandon(*_: object) -> None:
    """End without waiting for workers: what they have not finished is not visible to anyone."""
    ctx = click.get_current_context(silent=True)
    if ctx:  # otherwise it was said already
        say(ctx, Terminated("the process was told to stop", given="a batch was still at work"))
    sys.stderr.flush()
    os._exit(Terminated.exit_code)


for command in (
    *runs.COMMANDS, *use_cases.COMMANDS, models.models_group, snapshots.forget_command, store.store_group,
    *api.COMMANDS, replay.replay_command, sweep.sweep_command,
):  # fmt: skip
    main.add_command(command)
