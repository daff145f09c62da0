"""The life of one pod on a cluster: followed, stopped and deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from kubernetes.client import ApiException, CoreV1Api
from kubernetes.client import models as k8s
from urllib3.exceptions import HTTPError

from ml_pipeline.errors import StageError
from ml_pipeline_airflow.execution import GRACE, POLL, Line
from ml_pipeline_airflow.identity import ATTEMPT
from ml_pipeline_airflow.pod_template import CONTAINER
from ml_pipeline_airflow.remote import Away, Followed, Gone, size, whole_lines

CLUSTER_TROUBLE = (ApiException, HTTPError, OSError)

NOT_FOUND = 404


class StagePod(Followed):
    """A pod as an execution; it is stopped by being deleted.

    Args:
        client: of its cluster.
        found: what the cluster says of it.
        adopted: whether an earlier try has started it.
        patience: seconds that it may take to start.
    """

    kind, host, mend = "pod", "cluster", "see that its API answers (`kubectl get nodes`)"
    pace = 1.0

    def __init__(self, client: CoreV1Api, found: k8s.V1Pod, *, adopted: bool, patience: float) -> None:
        super().__init__(found.metadata.annotations[ATTEMPT], adopted=adopted)
        self.client, self.found, self.patience = client, found, patience
        self.name, self.namespace = found.metadata.name, found.metadata.namespace
        self._waits_since = 0.0

    def look(self) -> None:
        """Ask the cluster's API."""
        self.found = read(self.client, self.name, self.namespace)
        container = _container(self.found)
        if container and container.state.terminated:
            self._end(container.state.terminated)
        elif self.found.status.phase == "Failed":
            self.code = 137
            self.ends.append(f"The cluster ended the pod. {self.found.status.reason}: {self.found.status.message}.")
        elif self.found.status.phase == "Pending":
            self._be_patient(container)

    def runs(self) -> bool:
        """Whether it is at work, or will be."""
        try:
            return read(self.client, self.name, self.namespace).status.phase not in ("Succeeded", "Failed")
        except Gone:
            return False

    def followed(self) -> Iterator[Line]:
        """What it writes, to standard output and standard error: a cluster keeps them in one."""
        return self._said(follow=True)

    def recorded(self) -> Iterator[Line]:
        """The same, as far as it has come."""
        return self._said(follow=False)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after a grace that is shorter than Airflow's own: a pod stops as it is deleted."""
        if self.told_to_stop:
            return
        self.told_to_stop = True
        self.all_lines()
        delete(self.client, self.name, self.namespace)
        end = time.monotonic() + GRACE + 1
        while self.code is None and time.monotonic() < end:
            time.sleep(POLL)
            with suppress(Away, StageError):
                self._look_once_more()
        if self.code is None:
            self.code = 143

    def post_mortem(self) -> str:
        """How it ended."""
        return " ".join([*self.ends, f"Pod {self.namespace}/{self.name}: exit code {self.code}."])

    def _look_once_more(self) -> None:
        try:
            self.look()
        except Gone:
            self.code = 143

    def _said(self, *, follow: bool) -> Iterator[Line]:
        options = {"container": CONTAINER, "timestamps": True, "_preload_content": False}
        try:
            yield from whole_lines(
                self.client.read_namespaced_pod_log(self.name, self.namespace, follow=follow, **options)
            )
        except CLUSTER_TROUBLE as error:
            raise Away(error) from error

    def _end(self, terminated: k8s.V1ContainerStateTerminated) -> None:
        self.code = terminated.exit_code
        if terminated.reason == "OOMKilled":
            self.ran_out_of(size(int(self.found.spec.containers[0].resources.limits["memory"])))
        else:
            self.was_stopped("by a person, or by the cluster")

    def _be_patient(self, container: k8s.V1ContainerStatus | None) -> None:
        now = time.monotonic()
        self._waits_since = self._waits_since or now
        if now - self._waits_since > self.patience:
            waiting = container.state.waiting if container else None
            raise StageError(
                "the cluster does not start the stage",
                given=f"{waiting.reason}: {waiting.message}" if waiting else _unscheduled(self.found),
                expected=f"a pod that runs within {self.patience:g} s",
                do=f"see `kubectl describe pod {self.name}`: its image, its secret, its volumes, room on a node",
            )


def read(client: CoreV1Api, name: str, namespace: str) -> k8s.V1Pod:
    """A pod as it is now.

    Raises:
        Gone: there is none.
        Away: the cluster does not answer.
    """
    try:
        return client.read_namespaced_pod(name, namespace)
    except CLUSTER_TROUBLE as error:
        if isinstance(error, ApiException) and error.status == NOT_FOUND:
            raise Gone(name) from error
        raise Away(error) from error


def delete(client: CoreV1Api, name: str, namespace: str) -> None:
    """Tell it to end, and delete it; whatever keeps it from being deleted, the next try deletes it."""
    with suppress(*CLUSTER_TROUBLE):
        client.delete_namespaced_pod(name, namespace, grace_period_seconds=GRACE)


def _container(pod: k8s.V1Pod) -> Any:
    """The status of the one that is the stage; None before there is one."""
    return next((one for one in pod.status.container_statuses or () if one.name == CONTAINER), None)


def _unscheduled(pod: k8s.V1Pod) -> str:
    said = [one.message for one in pod.status.conditions or () if one.status == "False" and one.message]
    return "; ".join(said) or "it is pending"
