"""Every command of docs/rest.md, in its order."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/rest.md"
BIN = Path(sys.executable).parent


@pytest.mark.long
def test_the_page_is_true(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 5
    for name in ("use_cases", "store"):
        (tmp_path / name).mkdir()
    script = "set -e -o pipefail\n" + "\n".join(blocks).replace("8000", port) + "\nkill %1\nwait %1\n"
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ML_PIPELINE_USE_CASES": str(tmp_path / "use_cases"),
        "ML_PIPELINE_STORE": str(tmp_path / "store"),
    }
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said, _ = process.communicate(timeout=300)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, said
    for word in (
        '"status":"alive"',
        '"predictions":[{"visit":"v1"',
        '"datatype":"FP64"',
        '"state":"',
        '"champion":true',
    ):
        assert word in said, (word, said)
    assert re.search(r"mlp_[\w-]{43}", said)
