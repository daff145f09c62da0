from __future__ import annotations

import logging

import pytest

from ml_pipeline.cli.progress_lines import ProgressLines


def test_a_log_says_now_and_then_how_far_a_pass_is_and_how_long_it_will_take(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    lines = ProgressLines(lambda: now[0])
    with caplog.at_level(logging.INFO, "ml_pipeline.run"):
        for done in range(1, 11):
            now[0] += 2.0
            lines("train", done, 10)
        for done in (1, 5):  # the next pass is slower
            now[0] += 8.0
            lines("train", done, 10)
    assert caplog.messages == [
        "train: batch 3 of 10, about 14 s left",
        "train: batch 6 of 10, about 8 s left",
        "train: batch 9 of 10, about 2 s left",
        "train: batch 1 of 10",
        "train: batch 5 of 10, about 10 s left",
    ]
