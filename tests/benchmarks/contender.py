"""One contender in a process of its own: python -m tests.benchmarks.contender MODULE:FUNCTION DATA FEW OUTPUT

Works on a few events first, so that all that is imported and compiled at the first call is, then on all of them. Prints
JSON: seconds of the work; peak memory of the process; and how good the work is.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

from tests.benchmarks.judging import Place, Work


def main(reference: str, data: str, few: str, output: str) -> None:
    """Warm up, measure, judge, print."""
    module, _, name = reference.partition(":")
    contender = getattr(importlib.import_module(f"tests.benchmarks.contenders.{module}"), name)
    contender(_place(few, output, "few"))()
    work: Work = contender(_place(data, output, "all"))
    before = peak_memory()
    began = time.perf_counter()
    judge = work()
    seconds = time.perf_counter() - began
    memory = {"peak": peak_memory(), "before": before}
    print(json.dumps({"seconds": seconds, **memory, "quality": judge()}))


def _place(data: str, output: str, name: str) -> Place:
    folder = Path(output) / name
    folder.mkdir(parents=True)
    return Place(Path(data), folder)


def peak_memory() -> int:
    """Of this process so far, in bytes; `getrusage` would begin with that of the process which started this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
