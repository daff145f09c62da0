"""Monitoring: one DAG for every use case whose pipeline.yaml says `monitoring`, `<use case>.monitoring`.

    ingest ─► prepare ─► monitor
    └─ the truth, from the source that drives

It judges what was predicted, in batch and over REST, by what has become true since, and says whether to act. It runs as
`schedule.monitoring` says, or on demand; that it fails stops neither training nor scoring.
"""

from ml_pipeline_airflow.builder import build_dags

for use_case, dag in build_dags("monitoring").items():
    globals()[f"{use_case}_monitoring"] = dag
