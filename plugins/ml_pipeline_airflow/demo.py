"""The main job once, from nothing: `python -m ml_pipeline_airflow.demo [USE_CASE [AS_OF]]`.

Starts the embedded object store, gives Airflow a home of its own, runs offline training and then online scoring as of
one day through `airflow dags test`, and ends with a summary. Runs in containers where an engine answers.

A use case may have a module `demo`: `AS_OF` is the day, and `prepare()` puts in place what lies outside (the settings
of the store are in the environment) and gives the parameters of both runs. One without it is given the day.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple

from ml_pipeline.artifacts import embedded
from ml_pipeline.contract import MODES
from ml_pipeline.discovery import UseCase, find
from ml_pipeline.errors import PipelineError, StageError, UsageError
from ml_pipeline_airflow.builder import NAMES, RUNNER
from ml_pipeline_airflow.runner import Choice, choose

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
SHOWN = re.compile(r"\[(info|warning|error) +\] (?P<line>.+?) +\[airflow\.task\.operators\.ml_pipeline_airflow")
QUIET = re.compile(r"^(process|container|image|pass) | begins$| as of ")
"""Lines of the operators that a person who watches does not need."""


def main(arguments: list[str]) -> int:
    """Exit code 0 when both DAGs succeeded."""
    use_case = arguments[0] if arguments else "flights"
    try:
        own = _own(find(use_case), *arguments[1:])
        choice = choose()
        say(f"runner: {choice.name} ({choice.why})")
        environment = settings(choice)
        os.environ.update(environment)
        _call(["airflow", "db", "migrate"], environment, "Airflow's database")
        for mode in MODES:
            run_dag(f"{use_case}.{NAMES[mode]}", {"as_of": own.as_of, "parameters": own.prepare()}, environment)
    except PipelineError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return error.exit_code
    code = _ml_pipeline(environment, "summary", use_case, "--as-of", own.as_of)
    picture = Path(environment["AIRFLOW_HOME"]) / f"{use_case}.svg"
    with picture.open("w") as file:
        code |= _ml_pipeline(environment, "graph", use_case, "--format", "svg", into=file)
    say(f"graph        {picture}")
    return code


class Own(NamedTuple):
    """What a use case's demo takes: the day, and what puts the rest in place and gives the parameters of the runs."""

    as_of: str
    prepare: Callable[[], dict[str, Any]]


def _own(use_case: UseCase, as_of: str = "") -> Own:
    """Raises: UsageError: no day is given, and the use case names none."""
    if (use_case.folder / "demo.py").is_file():
        return Own(as_of or use_case.load("demo.AS_OF"), cache(use_case.load("demo.prepare")))
    name = use_case.config.name
    if not as_of:
        raise UsageError(
            f"nothing says as of which day {name} is to run",
            given=f"no AS_OF, and no demo.py in {use_case.folder}",
            expected="a date or a date with time",
            do=f"name the day: make demo USE_CASE={name} AS_OF=2024-01-31",
        )
    return Own(as_of, dict)


def settings(choice: Choice) -> dict[str, str]:
    """The environment of Airflow and of everything it starts; the embedded store unless another one is named."""
    store = {} if os.environ.get("ML_PIPELINE_STORE") else _embedded()
    return {
        **os.environ,
        **store,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        RUNNER: choice.name,
        **airflow_settings(),
    }


def airflow_settings() -> dict[str, str]:
    """Our DAGs and plugins, no examples; home and database of its own, unless Airflow's variables name others."""
    home = Path(os.environ.get("AIRFLOW_HOME") or ROOT / ".airflow").absolute()
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "plugins"), os.environ.get("PYTHONPATH")])),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        DATABASE: os.environ.get(DATABASE) or f"sqlite:///{home / 'airflow.db'}",
    }


def run_dag(dag: str, conf: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """One DAG through `airflow dags test`, with the lines of its stages as they come.

    Raises:
        StageError: it failed.
    """
    say(f"{dag} as of {conf['as_of']}")
    command = ["airflow", "dags", "test", dag, "--conf", json.dumps(conf)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True) as process:  # noqa: S603
        log = list(_shown(process.stdout or ()))
    if process.returncode:
        raise StageError(
            f"{dag} failed", given="\n".join(log[-15:]), do="mend what the last lines say and run it again"
        )


def _shown(lines: Iterable[str]) -> Iterable[str]:
    """Pass all lines on, and print those that the stages said."""
    for line in lines:
        found = SHOWN.search(line)
        if found and not QUIET.search(found["line"]):
            say(f"  {found['line']}")
        yield line.rstrip()


def _embedded() -> dict[str, str]:
    endpoint = embedded.start(ROOT / embedded.FOLDER)
    say(f"object store: {endpoint.uri} at {endpoint.url}")
    return {"ML_PIPELINE_STORE": endpoint.uri, **endpoint.environment}


def _call(command: list[str], environment: Mapping[str, str], what: str) -> None:
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise StageError(
            f"{what} could not be made ready",
            given=(done.stderr or done.stdout)[-600:],
            do="run `make clean` and try again",
        )


def _ml_pipeline(environment: Mapping[str, str], *arguments: str, into: IO[str] | None = None) -> int:
    command = [sys.executable, "-m", "ml_pipeline", *arguments]
    return subprocess.run(command, env=dict(environment), check=False, stdout=into).returncode  # noqa: S603


def say(line: str) -> None:
    """A line at once, also where the output is a file."""
    print(line, flush=True)  # noqa: T201 - a command's answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
