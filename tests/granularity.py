"""Both DAGs of a use case in one process of Airflow, at one granularity after the other: `python -m tests.granularity`.

Given a use case, a folder, and names of granularities, as `three` or, in containers, `three-docker`. Each has a store
of its own in the folder, called like it.
"""

from __future__ import annotations

import datetime as dt
import io
import itertools
import os
import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

from ml_pipeline import discovery
from ml_pipeline.contract import Mode

OFFLINE = ["ingest", "prepare", "combine", "split", "train", "evaluate", "promote"]
ONLINE = ["ingest", "prepare", "combine", "serve", "postprocess"]
GRANULARITIES: dict[str, dict[str, dict[str, list[str]]]] = {
    "single": {"offline": {}, "online": {}},
    "three": {
        "offline": {"preprocess": OFFLINE[:4], "train": ["train"], "evaluate": OFFLINE[5:]},
        "online": {"preprocess": ONLINE[:3], "score": ONLINE[3:]},
    },
    "one": {"offline": {"all_offline": OFFLINE}, "online": {"all_online": ONLINE}},
}
"""Each stage alone; those that make the data, those that train and those that judge; all in one."""
MODES: tuple[Mode, Mode] = ("offline", "online")

FEW = {"evaluate.floors": {}, "evaluate.replicates": 20}
"""A model of few rows is to be promoted all the same."""
AS_OF = {"flights": "2013-01-15", "clinical_trials": "2024-07-01"}
LAST = "2013-01-17"
"""The first day whose flights are left out."""


def services(name: str) -> dict[str, Any]:
    """The services of a granularity, as parameters."""
    return {f"services.{mode}": groups for mode, groups in GRANULARITIES[name].items()}


def routes(name: str, mode: Mode) -> dict[str, list[str]]:
    """The services of a granularity in their order, with their stages; or every stage, which is a service too."""
    alone = {stage: [stage] for stage in (OFFLINE if mode == "offline" else ONLINE)}
    return GRANULARITIES[name][mode] or alone


def prepared(use_case: str, folder: Path) -> dict[str, Any]:
    """The parameters that make a run small, and in place what they name."""
    if use_case == "flights":
        return {**FEW, "split.validation": "3d", "split.test": "4d", "sources.flights.address": _january(folder)}
    from ml_pipeline.use_cases.clinical_trials.seed import seed

    seed(dt.date.fromisoformat(AS_OF[use_case]))
    return {**FEW, "sources.now_health_data.address": "synthetic:1500"}


def _january(folder: Path) -> str:
    """A file of the first flights of the year, which come first: so small that it is read in no time."""
    from ml_pipeline.use_cases.flights.sources import data_file

    with zipfile.ZipFile(data_file("flights.csv.zip")) as whole, whole.open(whole.namelist()[0]) as lines:
        text = io.TextIOWrapper(lines, encoding="utf-8")
        head = next(text)
        some = list(itertools.takewhile(lambda line: LAST not in line, text))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "flights.csv"
    path.write_text("".join([head, *some]), encoding="utf-8")
    return str(path)


def main(use_case: str, folder: str, *names: str) -> int:
    """Exit code 0 when all tasks of all runs succeeded."""
    from airflow.utils.db import initdb

    initdb()
    for name in names:
        granularity, _, runner = name.partition("-")
        os.environ |= {"ML_PIPELINE_STORE": str(Path(folder) / name), "ML_PIPELINE_RUNNER": runner or "process"}
        parameters = {**prepared(use_case, Path(folder)), **services(granularity)}
        if runner:
            _give(Path(folder) / name)
        states = [_run(use_case, mode, parameters) for mode in MODES]
        if states != ["success", "success"]:
            print(f"{use_case}, {name}: {states}", file=sys.stderr)  # noqa: T201 - for whoever started this
            return 1
    return 0


def _give(store: Path) -> None:
    """What lies in a store already belongs to the user that stages are in containers."""
    from ml_pipeline_airflow import mounts

    store.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        for path in (store, *store.rglob("*")):
            os.chown(path, mounts.user(), mounts.user())


def _run(use_case: str, mode: Mode, parameters: dict[str, Any]) -> str:
    """What `airflow dags test` does, with other services than pipeline.yaml names; the state of the run."""
    from ml_pipeline_airflow import builder

    builder.find = partial(discovery.find, overrides=parameters)  # type: ignore[assignment]
    conf = {"as_of": AS_OF[use_case], "parameters": parameters}
    return str(builder.build_dag(use_case, mode).test(run_conf=conf).state)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
