"""Where seconds go: what is within an activity counts once, and threads take part."""

from __future__ import annotations

import contextvars
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from ml_pipeline.stopwatch import timed, watch

NAP = 0.02


def test_what_is_within_counts_there_and_not_outside() -> None:
    with watch() as spent, timed("compute"):
        time.sleep(NAP)
        with timed("read"):
            time.sleep(2 * NAP)
            with timed("store"):
                time.sleep(4 * NAP)
        with timed("read"):
            time.sleep(2 * NAP)
    assert spent["compute"] >= NAP
    assert spent["read"] >= 4 * NAP
    assert spent["store"] >= 4 * NAP
    assert spent["compute"] < spent["read"], "the seconds of reading count as computing too"


def test_threads_in_a_copy_of_the_context_take_part() -> None:
    def work() -> None:
        with timed("compute"):
            time.sleep(NAP)

    with watch() as spent, ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(contextvars.copy_context().run, work) for _ in range(4)]:
            future.result()
    assert spent["compute"] >= 4 * NAP


def test_what_fails_counts_and_without_a_watch_nothing_does() -> None:
    with watch() as spent, suppress(OSError), timed("store"):
        time.sleep(NAP)
        Path("/no/such/file").read_bytes()
    before = dict(spent)
    with timed("store"):
        time.sleep(NAP)
    assert spent == before
    assert spent["store"] >= NAP
