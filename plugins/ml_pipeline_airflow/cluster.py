"""Stages on a Kubernetes cluster: pods under names."""

from __future__ import annotations

from kubernetes.client import ApiException, CoreV1Api
from kubernetes.client import models as k8s

from ml_pipeline.errors import StageError
from ml_pipeline_airflow import pod
from ml_pipeline_airflow.attach import Found
from ml_pipeline_airflow.identity import ATTEMPT, Identity
from ml_pipeline_airflow.remote import Away, Gone

TAKEN = 409
"""The cluster's answer where the name of a pod is taken."""


class Cluster:
    """The pods of a namespace, of which one is made.

    Args:
        client: of the cluster.
        template: what is made.
    """

    kind, look = "pod", "kubectl describe pod"

    def __init__(self, client: CoreV1Api, template: k8s.V1Pod) -> None:
        self.client, self.template = client, template
        self.namespace: str = template.metadata.namespace

    def find(self, name: str) -> Found | None:
        """As the cluster knows it; one that is being deleted is of no use any more.

        Raises:
            StageError: the cluster does not answer.
        """
        try:
            told = pod.read(self.client, name, self.namespace)
        except Gone:
            return None
        except Away as error:
            raise _refused(error) from error
        stays, phase = told.metadata.deletion_timestamp is None, told.status.phase
        runs, ended_well = stays and phase in ("Pending", "Running"), stays and phase == "Succeeded"
        return Found(told.metadata.annotations or {}, runs, ended_well, told)

    def make(self, wanted: Identity) -> bool:
        """Create it.

        Raises:
            StageError: the cluster refuses.
        """
        try:
            self.client.create_namespaced_pod(self.namespace, self.template)
        except pod.CLUSTER_TROUBLE as error:
            if isinstance(error, ApiException) and error.status == TAKEN:
                return False
            raise _refused(error) from error
        return True

    def clear_away(self, found: Found) -> None:
        """Delete it; its name is free when it is gone."""
        pod.delete(self.client, found.told.metadata.name, self.namespace)

    def discard(self, wanted: Identity) -> None:
        """Delete what this attempt may have made, where making it was broken off."""
        try:
            found = self.find(wanted.name)
        except StageError:
            return
        if found and found.labels.get(ATTEMPT) == wanted.labels[ATTEMPT]:
            self.clear_away(found)


def _refused(error: Exception) -> StageError:
    return StageError(
        "the cluster refuses to run the stage",
        given=str(getattr(error, "body", None) or error)[:500],
        expected="a cluster that the connection kubernetes_default reaches, and a role that may make pods there",
        do="see `kubectl auth can-i create pods`, quotas, and what admission policies say",
    )
