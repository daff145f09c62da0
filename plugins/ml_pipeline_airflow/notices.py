"""Telling people what monitoring found: notifiers of Airflow that pipeline.yaml names, called as callbacks of tasks."""

from __future__ import annotations

import copy
import datetime as dt
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urljoin

from ml_pipeline.errors import FAULTS, NothingToDo, UsageError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ml_pipeline.config import UseCaseConfig
    from ml_pipeline.discovery import UseCase
    from ml_pipeline.stages import Task

STAGE = "monitor"
"""The stage that comes to a verdict."""
FAILED = "failed"
"""In place of a severity, where nobody looked because a task of monitoring failed."""


class Notice(NamedTuple):
    """A callback of a task. Airflow logs what it raises, and the task ends as it would without.

    `notifier` is the name under which Airflow imports it; `least` the severity from which on it is called, which every
    failure has.
    """

    use_case: str
    notifier: str
    least: str
    failed: bool = False

    def __call__(self, context: Context) -> None:
        """Call the notifier, whose templates find what was found as `monitoring`.

        Raises:
            UsageError: there is no such notifier.
        """
        said = {"use_case": self.use_case, **(_failure(context) if self.failed else _verdict(self.use_case, context))}
        if _reaches(said["severity"], self.least):
            # A notifier writes what it has rendered over its templates, and is called again where one process runs all.
            call = copy.copy(load(self.notifier))
            call(cast("Context", {**context, "monitoring": said}))


def callbacks(task: Task, config: UseCaseConfig) -> dict[str, list[Notice]]:
    """Arguments of a task of monitoring: who is told when it fails, and when it comes to a verdict."""
    asked = config.monitoring.notify if config.monitoring else {}
    notices = [Notice(config.name, notifier, least) for notifier, least in asked.items()]
    judges = any(step.stage.name == STAGE for step in task.steps)
    failures = [notice._replace(failed=True) for notice in notices]
    return {"on_failure_callback": failures, "on_success_callback": notices if judges else []}


def check(use_case: UseCase) -> str:
    """What `ml-pipeline validate` says of a use case's notifiers.

    Raises:
        UsageError: one cannot be called.
        NothingToDo: a module is not installed here, which is a fault only where Airflow runs.
    """
    settings = use_case.config.monitoring
    asked = settings.notify if settings else {}
    for notifier in asked:
        try:
            load(notifier)
        except UsageError as error:
            if isinstance(error.__cause__, ModuleNotFoundError):
                do = "nothing, where Airflow can import it; else correct the name"
                raise NothingToDo(f"{notifier} cannot be imported here: {error.given}", do=do) from error
            raise
    return ", ".join(f"{notifier} from {least} on" for notifier, least in asked.items()) or "nobody is told"


def load(name: str) -> Callable[[Context], None]:
    """A notifier, by the name under which it can be imported.

    Raises:
        UsageError: it cannot be imported, or called with the context of a task.
    """
    from airflow.sdk.exceptions import AirflowException

    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (AirflowException, *FAULTS) as error:
        raise _no_notifier(name, f"{type(error).__name__}: {error}") from error
    if isinstance(found, type) or not callable(found):
        raise _no_notifier(name, f"{name} is {'a class' if isinstance(found, type) else type(found).__name__}")
    return cast("Callable[[Context], None]", found)


def _no_notifier(name: str, given: str) -> UsageError:
    return UsageError(
        f"monitoring.notify names {name!r}, which is no notifier here",
        given=given,
        expected="an object such as `SlackNotifier(…)` in a module that Airflow can import",
        do="correct the name, or put the module into `plugins/`, onto Airflow's PYTHONPATH or into a package there",
    )


def _reaches(severity: str, least: str) -> bool:
    from ml_pipeline.monitoring.severity import SEVERITIES

    order: list[str] = [*SEVERITIES, FAILED]
    return order.index(severity) >= order.index(least)


def _verdict(use_case: str, context: Context) -> dict[str, Any]:
    """What templates find, as plain values: `severity`, `reasons` (all sentences), `urgent` (those of that severity),
    `page` (the address of the report) and `as_of`."""
    summary = context["ti"].xcom_pull(task_ids=context["ti"].task_id)
    return {**summary["verdict"], "page": _page(use_case, summary["as_of"]), "as_of": summary["as_of"]}


def _failure(context: Context) -> dict[str, Any]:
    """The same of a task that failed; `page` is its log. There is no exception where its process is gone."""
    task = context["ti"]
    error = context.get("exception") or "the process that worked on it is gone, and its log says how far it came"
    sentences = [f"{task.task_id} failed: {error}"]
    return {"severity": FAILED, "reasons": sentences, "urgent": sentences, "page": task.log_url, "as_of": ""}


def _page(use_case: str, as_of: str) -> str:
    """The report in Airflow's UI; a path where Airflow's `[api] base_url` does not say where that is."""
    from airflow.configuration import conf

    from ml_pipeline.handlers.snapshots import folder_name
    from ml_pipeline_airflow.models_page.address import framed_url

    path = framed_url(use_case, "monitoring", folder_name(dt.datetime.fromisoformat(as_of)))
    return urljoin(conf.get("api", "base_url", fallback="") or "", path)
