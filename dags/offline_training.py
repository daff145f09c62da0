"""Offline training: one DAG for every use case, `<use case>.offline_training`, every night.

    ingest ─► prepare ─► combine ─► split ─► train ─► evaluate ─► (approve) ─► promote ─► <use case>.champion
    └──── one for each source ┘       └── test rows ──────┘          └─ a person, where the policy is manual

Each promotion is an event of the asset at the end. A backfill trains a model for each of its days and promotes none.
Each box is a container that runs one Handler; what passes between two is data in object storage. The chain itself
is the table in `ml_pipeline/stages.py`; which boxes share a container is `services` in the use case's pipeline.yaml.
"""

from ml_pipeline_airflow.builder import build_dags

for use_case, dag in build_dags("offline").items():
    globals()[f"{use_case}_offline_training"] = dag
