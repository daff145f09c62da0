"""The main jobs of the product beside their limits and their peers, in one run: what `make bench` does.

    python -m tests.benchmarks.bench [JOB ...] [--rows N] [--rounds 3] [--folder .ml-pipeline/bench]

Each contender works in a process of its own, on the same two cores, with one thread of linear algebra per worker; the
contenders take turns, and the middle one of the rounds counts. Seconds are those of the whole job, from Parquet on,
without imports; peak memory is that of the process, with them. The product runs in the environment of this command, all
others in `.venv-peers`. Raw figures are left in the folder as JSON, tables as Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ml_pipeline.discovery import FOLDERS
from tests.benchmarks import data, optimum, stored
from tests.benchmarks.jobs import JOBS, Contender, Job
from tests.benchmarks.table import Line, markdown, table

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers/bin/python"
CORES = 2
BYTES = 450
"""Of a row on the disk, at the most: several datasets of it, and what contenders write."""
THREADS = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Of linear algebra in one worker; what else a contender has may use all cores."""
ALL_CORES = ("OMP_NUM_THREADS", "POLARS_MAX_THREADS")


def main(words: list[str]) -> None:
    """Measure the jobs that are asked for, one after the other."""
    parser = argparse.ArgumentParser(description="The main jobs beside their limits and their peers.")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"some of {', '.join(JOBS)}; all where there is none")
    parser.add_argument("--rows", type=int, help="events, in place of each job's own number")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=ROOT / ".ml-pipeline/bench")
    parser.add_argument("--at-most", type=float, default=1200.0, help="seconds after which a contender is stopped")
    asked = parser.parse_args(words)
    if unknown := set(asked.jobs) - set(JOBS):
        parser.error(f"there is no job {sorted(unknown)[0]!r}; there are {', '.join(JOBS)}")
    os.environ[FOLDERS] = str(stored.USE_CASES)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    for name in asked.jobs or JOBS:
        report(name, asked)


def report(name: str, asked: argparse.Namespace) -> None:
    """Measure one job; print its table, and leave it beside the raw figures."""
    job = JOBS[name]
    rows = asked.rows or job.rows
    check_room(rows, asked.folder)
    lines = [line for size in job.sizes for line in measured(job, int(rows * size), asked)]
    text = f"## {job.title}\n\n{markdown(table(job, lines))}"
    print(f"\n{text}", flush=True)
    raw = {"job": name, "machine": machine(), "lines": [line._asdict() for line in lines]}
    (asked.folder / f"{name}-{rows}.json").write_text(json.dumps(raw, indent=1))
    (asked.folder / f"{name}-{rows}.md").write_text(text)


def check_room(rows: int, folder: Path) -> None:
    """Stop where the events might not fit on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(folder).free) < rows * BYTES:
        sys.exit(f"{rows:,} rows may need {rows * BYTES / 1e9:.0f} GB, {free / 1e9:.0f} are free: give fewer --rows")


def measured(job: Job, rows: int, asked: argparse.Namespace) -> list[Line]:
    """All rounds of all contenders, in turn."""
    places = [stored.folder(asked.folder, count) for count in (rows, data.FEW)]
    for place, count in zip(places, (rows, data.FEW), strict=True):
        stored.make(place, count, job.datasets)
    if "distance" in job.shows:
        optimum.write(places[0])
    runs: dict[str, list[dict[str, Any]]] = {contender.name: [] for contender in job.contenders}
    failures: dict[str, str] = {}
    for _ in range(asked.rounds):
        for contender in job.contenders:
            if contender.name not in failures:
                try:
                    runs[contender.name].append(run(contender, places, asked.at_most))
                except subprocess.SubprocessError as error:
                    failures[contender.name] = _reason(contender, error)
    return [Line(rows, own.name, own.kind, runs[own.name], failures.get(own.name, "")) for own in job.contenders]


def run(contender: Contender, places: list[Path], at_most: float) -> dict[str, Any]:
    """One contender, once."""
    python = sys.executable if contender.kind == "product" else str(PEERS)
    with tempfile.TemporaryDirectory(dir=places[0].parent) as output:
        command = [python, "-m", "tests.benchmarks.contender", contender.does, *map(str, places), output]
        done = subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=at_most, check=True
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{contender.name:34}{found['seconds']:8.2f} s {found['peak'] / 1e6:8.0f} MB", file=sys.stderr)
    return found


def environment() -> dict[str, str]:
    """Threads as all contenders have them."""
    return {**os.environ, **THREADS, **dict.fromkeys(ALL_CORES, str(len(os.sched_getaffinity(0))))}


def machine() -> dict[str, Any]:
    """What the figures were seen on."""
    libraries = {name: version(name) for name in ("numpy", "pyarrow")}
    return {"python": platform.python_version(), "cores": len(os.sched_getaffinity(0)), **libraries}


def _reason(contender: Contender, error: subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"> {error.timeout:.0f}"
    print(f"{contender.name} failed:\n{getattr(error, 'stderr', error)}", file=sys.stderr)
    return "failed"


if __name__ == "__main__":
    main(sys.argv[1:])
