"""Stages as pods on a Kubernetes cluster: as bounded as containers, on whichever node has room for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.bases.xcom import BaseXCom

from ml_pipeline.discovery import find
from ml_pipeline_airflow import images
from ml_pipeline_airflow.attach import attach
from ml_pipeline_airflow.cluster import Cluster
from ml_pipeline_airflow.identity import TRY, Identity, identity
from ml_pipeline_airflow.pod import StagePod
from ml_pipeline_airflow.pod_template import CONTAINER, stage_pod
from ml_pipeline_airflow.spec import StageSpec, stage_spec
from ml_pipeline_airflow.stage_task import Order, StageTask

if TYPE_CHECKING:
    from airflow.sdk import Context
    from kubernetes.client import models as k8s

SLACK = 120
"""Seconds that a pod may live beyond its task's time, should nobody be left to delete it."""


class PodStageOperator(StageTask, KubernetesPodOperator):
    """Runs steps of a use case in a pod of one container.

    Cluster and namespace are those of its connection; its other settings (node_selector, tolerations, …) are added to
    the pod, and `on_finish_action` says what becomes of it.

    Args:
        image: kind of the image that they run in (`stages.IMAGES`).
    """

    template_fields: Sequence[str] = (*KubernetesPodOperator.template_fields, *StageTask.template_fields)

    def __init__(self, *, image: str, **kwargs: Any) -> None:
        settings = {"random_name_suffix": False, "deferrable": False, "do_xcom_push": False}
        super().__init__(base_container_name=CONTAINER, **{**kwargs, **settings})
        self.image_kind = image

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the steps and return a summary of what they left; to push it by itself would need a second container."""
        summary = super().execute(context)
        context["ti"].xcom_push(key=BaseXCom.XCOM_RETURN_KEY, value=summary)
        return summary

    @contextmanager
    def start(self, order: Order) -> Iterator[StagePod]:
        """The pod of an order, perhaps one of an earlier try; it goes afterwards, if `on_finish_action` lets it."""
        pod = self._attached(order)
        try:
            yield pod
        finally:
            if pod.code is None:
                pod.stop()
            elif not pod.told_to_stop:
                self.process_pod_deletion(pod.found, reraise=False)

    def _attached(self, order: Order) -> StagePod:
        """Take over what does the same already, or start it."""
        use_case = find(self.use_case, order.request.parameters)
        spec = stage_spec(order, self.image_kind, images.pinned(use_case), {})
        wanted = identity(order, spec)
        cluster = Cluster(self.client, self._pod(order, spec, wanted))
        try:
            found, adopted = attach(cluster, wanted)
            whence = f"taken over from try {found.metadata.annotations[TRY]}" if adopted else "started"
            self.log.info("pod %s/%s of %s %s", cluster.namespace, wanted.name, spec.image, whence)
        except BaseException:
            cluster.discard(wanted)
            raise
        return StagePod(self.client, found, adopted=adopted, patience=self.startup_timeout_seconds)

    def _pod(self, order: Order, spec: StageSpec, wanted: Identity) -> k8s.V1Pod:
        """With what this operator's settings add."""
        self.name, self.full_pod_spec = wanted.name, stage_pod(spec, wanted)
        if self.execution_timeout and not self.active_deadline_seconds:
            self.active_deadline_seconds = ceil(self.execution_timeout.total_seconds()) + SLACK
        return self.build_pod_request_obj(order.context)
