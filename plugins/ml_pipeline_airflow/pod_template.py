"""The pod of a stage: its spec in the words of Kubernetes."""

from __future__ import annotations

import os
from collections.abc import Mapping

from kubernetes.client import models as k8s

from ml_pipeline.errors import UsageError
from ml_pipeline_airflow.execution import GRACE
from ml_pipeline_airflow.identity import ATTEMPT, LABEL, Identity
from ml_pipeline_airflow.mounts import FILES, SECRETS, Bind, variables
from ml_pipeline_airflow.spec import StageSpec

SECRET = "ML_PIPELINE_KUBERNETES_SECRET"  # noqa: S105 - the name of a variable
"""Variable that names the cluster's secret with files of credentials, under the names of `mounts.FILES`."""

CLAIM = "ML_PIPELINE_KUBERNETES_CLAIM"
"""Variable that names the claim of the volume on which a store that is a folder lies."""

CONTAINER = "base"
"""What Airflow calls the container of a pod."""


def stage_pod(spec: StageSpec, wanted: Identity) -> k8s.V1Pod:
    """The pod, but for what its operator's settings add.

    Labels of Kubernetes are too short for whose it is, so that is annotated; one says which network it needs, for the
    cluster's policies.

    Raises:
        UsageError: the stage needs something of this machine, which a pod does not see.
    """
    volumes = _volumes(spec.binds)
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(annotations=dict(wanted.labels), labels={f"{LABEL}network": spec.network}),
        spec=k8s.V1PodSpec(
            containers=[_container(spec, wanted.labels[ATTEMPT], volumes)],
            volumes=list(volumes.values()),
            security_context=k8s.V1PodSecurityContext(
                run_as_non_root=True,
                run_as_user=spec.user,
                run_as_group=spec.user,
                fs_group=spec.user,
                seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
            ),
            automount_service_account_token=False,
            enable_service_links=False,
            restart_policy="Never",
            termination_grace_period_seconds=GRACE,
        ),
    )


def _container(spec: StageSpec, attempt: str, volumes: Mapping[str, k8s.V1Volume]) -> k8s.V1Container:
    """`TMPDIR` in place of the image's own volume: not every cluster makes those of images."""
    credentials = variables(FILES) if SECRETS in volumes else {}
    environment = {**spec.environment, **credentials, "TMPDIR": "/tmp"}  # noqa: S108 - in the container
    return k8s.V1Container(
        name=CONTAINER,
        image=spec.image,
        args=list(map(_literal, spec.command(attempt))),
        env=[k8s.V1EnvVar(name=name, value=_literal(value)) for name, value in environment.items()],
        resources=_resources(spec),
        volume_mounts=[
            k8s.V1VolumeMount(name=volume.name, mount_path=path, read_only=path == SECRETS)
            for path, volume in volumes.items()
        ],
        security_context=k8s.V1SecurityContext(
            allow_privilege_escalation=False,
            privileged=False,
            read_only_root_filesystem=True,
            capabilities=k8s.V1Capabilities(drop=["ALL"]),
        ),
    )


def _literal(text: str) -> str:
    """A cluster puts the value of a variable in place of `$(NAME)`, unless it is told not to."""
    return text.replace("$", "$$")


def _resources(spec: StageSpec) -> k8s.V1ResourceRequirements:
    """What it may use is also what its node must have to spare."""
    bounds = {"memory": str(spec.memory_bytes), "cpu": f"{spec.cpus:g}"}
    if spec.gpus:
        bounds["nvidia.com/gpu"] = str(spec.gpus)
    return k8s.V1ResourceRequirements(requests=bounds, limits=dict(bounds))


def _volumes(binds: tuple[Bind, ...]) -> dict[str, k8s.V1Volume]:
    """Path in the container -> what is there."""
    found = {"/tmp": k8s.V1Volume(name="tmp", empty_dir=k8s.V1EmptyDirVolumeSource())}  # noqa: S108
    if name := os.environ.get(SECRET):
        source = k8s.V1SecretVolumeSource(secret_name=name, default_mode=0o440)
        found[SECRETS] = k8s.V1Volume(name="secrets", secret=source)
    for bind in binds:
        found[bind.target] = _claimed(bind)
    return found


def _claimed(bind: Bind) -> k8s.V1Volume:
    claim = os.environ.get(CLAIM)
    if bind.read_only or not claim:
        raise UsageError(
            "a pod does not see this machine's disk",
            given=bind.path,
            expected="a store that pods reach, and sources in it or behind a service",
            do=f"use an object store, or name the claim of the volume that the store's folder is on in {CLAIM}; "
            "put records into the store (address: store:PATH)",
        )
    source = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=claim)
    return k8s.V1Volume(name="store", persistent_volume_claim=source)
