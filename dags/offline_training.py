"""Offline training: one DAG for every use case, `<use case>.offline_training`, every night.

    ingest ─► prepare ─► combine ─► split ─► train ─► evaluate ─► promote
    └──── one for each source ┘       └── test rows ──────┘

Each box is a container that runs one Handler; what passes between two is data in object storage. The chain itself
is the table in `ml_pipeline/stages.py`; which boxes share a container is `services` in the use case's pipeline.yaml.
"""

from ml_pipeline_airflow.builder import build_dag

from ml_pipeline.discovery import names

for use_case in names():
    globals()[f"{use_case}_offline_training"] = build_dag(use_case, "offline")
