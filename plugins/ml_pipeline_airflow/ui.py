"""Airflow's own UI with our DAGs, on loopback: `python -m ml_pipeline_airflow.ui`."""

from __future__ import annotations

import os
import sys

from ml_pipeline.errors import PipelineError
from ml_pipeline_airflow.demo import say, settings
from ml_pipeline_airflow.runner import choose

PORT = os.environ.get("AIRFLOW__API__PORT", "8080")
PASSWORDS = "simple_auth_manager_passwords.json.generated"


def main() -> int:
    """Becomes `airflow standalone`; its log says the password of the user admin."""
    try:
        choice = choose()
        environment = settings(choice)
    except PipelineError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return error.exit_code
    say(f"runner: {choice.name} ({choice.why})")
    say(f"http://127.0.0.1:{PORT}, user admin, password in {environment['AIRFLOW_HOME']}/{PASSWORDS}")
    environment |= {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": PORT,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{PORT}/execution/",
        "AIRFLOW__CORE__PARALLELISM": os.environ.get("AIRFLOW__CORE__PARALLELISM", "8"),  # processes, all begun at once
    }
    command = ["airflow", "standalone"]
    return os.execvpe(command[0], command, environment)  # noqa: S606 - found on the PATH just set


if __name__ == "__main__":
    sys.exit(main())
